"""The five built-in probes, as a plugin: values only; the code that measures is imported when one is used."""

from typing import Any

from discbench.hookspecs import hookimpl
from discbench.probe import Measured, Measurement, Probe


def _pwcca(subject: Any, measurement: Measurement) -> Measured:  # noqa: ANN401 - a Subject
    from discbench.probes import measures

    return measures.pwcca_of(subject, measurement)


def _attention(subject: Any, measurement: Measurement) -> Measured:  # noqa: ANN401 - a Subject
    from discbench.probes import measures

    return measures.attention_of(subject, measurement)


def _isometry(subject: Any, measurement: Measurement) -> Measured:  # noqa: ANN401 - a Subject
    from discbench.probes import measures

    return measures.isometry_of(subject, measurement)


def _gradients(subject: Any, measurement: Measurement) -> Measured:  # noqa: ANN401 - a Subject
    from discbench.probes import measures

    return measures.gradients_of(subject, measurement)


def _perturbation(subject: Any, measurement: Measurement) -> Measured:  # noqa: ANN401 - a Subject
    from discbench.probes import measures

    return measures.perturbation_of(subject, measurement)


@hookimpl
def discbench_probes() -> list[Probe]:
    """Return the probes of Kao & Lee 2021, section 4 and appendix F."""
    return [
        Probe(
            name="pwcca",
            version=1,
            about="how alike two models' hidden states are: PWCCA of either side, mean CCA, SVCCA, CKA, a null",
            measure=_pwcca,
            pair=True,
            rows=512,
            invariances=("translation", "scale", "feature_order", "row_order", "identity"),
            as_published="1,000 tokens, no centring, a ridge of 1e-4, dropout on in the other model",
        ),
        Probe(
            name="attention",
            version=1,
            about="how far apart two models' attention maps are, heads matched per layer and sequence",
            measure=_attention,
            pair=True,
            rows=64,
            invariances=("head_order", "identity", "symmetric"),
            as_published="padding included, costs added at the wrong index, dropout on in the other model",
        ),
        Probe(
            name="isometry",
            version=1,
            about="singular values of the Jacobian of one output position at every input position",
            measure=_isometry,
            rows=16,
            invariances=("padding", "mode", "repeat"),
        ),
        Probe(
            name="gradients",
            version=1,
            about="cosines between the gradients of single examples, with a fresh head",
            measure=_gradients,
            rows=64,
            invariances=("padding", "mode", "repeat"),
            as_published="gradients of groups of 32 examples, dropout on",
        ),
        Probe(
            name="perturbation",
            version=1,
            about="how far the first token's output moves under Gaussian noise on every weight",
            measure=_perturbation,
            rows=32,
            invariances=("padding", "mode", "repeat"),
            as_published="dropout on, the model's own precision",
        ),
    ]
