"""The five built-in probes, as a plugin: values only; the code that measures is imported when one is used."""

from typing import Any

from discbench.plugins.hookspecs import hookimpl
from discbench.values.measurement import Measured, Measurement, Probe


def _pwcca(subject: Any, measurement: Measurement) -> Measured:  # noqa: ANN401 - a Subject
    from discbench.probes import measures

    return measures.pwcca_of(subject, measurement)


def _check_pwcca(preview: Any, measurement: Measurement) -> None:  # noqa: ANN401 - a Preview
    from discbench.probes import checks

    checks.check_pwcca(preview, measurement)


def _check_attention(preview: Any, measurement: Measurement) -> None:  # noqa: ANN401 - a Preview
    from discbench.probes import checks

    checks.check_attention(preview, measurement)


def _check_gradients(preview: Any, measurement: Measurement) -> None:  # noqa: ANN401 - a Preview
    from discbench.probes import checks

    checks.check_gradients(preview, measurement)


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
            check=_check_pwcca,
            pair=True,
            rows=512,
            layers=True,
            invariances=("translation", "scale", "feature_order", "row_order", "padding", "identity"),
            identical=tuple((name, 1.0) for name in ("pwcca_x", "pwcca_y", "mean_cca", "svcca", "cka")),
            as_published="1,000 tokens of the first rows, no centring, a ridge of 1e-4, dropout on in the other model",
        ),
        Probe(
            name="attention",
            version=1,
            about="how far apart two models' attention maps are, heads matched per layer and sequence",
            measure=_attention,
            check=_check_attention,
            pair=True,
            rows=64,
            invariances=("head_order", "row_order", "padding", "symmetric", "identity"),
            identical=(("mean", 0.0), ("sd", 0.0)),
            as_published="the first rows, padding included, costs added at the wrong index, dropout on in the other"
            " model",
        ),
        Probe(
            name="isometry",
            version=1,
            about="singular values of the Jacobian of the first output position (in decoders the last) at each input",
            measure=_isometry,
            rows=16,
            invariances=("row_order", "padding", "mode"),
            as_published="the first rows",
        ),
        Probe(
            name="gradients",
            version=1,
            about="cosines between the gradients of single examples, with a fresh head",
            measure=_gradients,
            check=_check_gradients,
            rows=64,
            invariances=("row_order", "padding", "mode"),
            as_published="the first rows, gradients of groups of 32 of them, dropout on",
        ),
        Probe(
            name="perturbation",
            version=1,
            about="how far the first token's output (in decoders the last's) moves under noise on every weight",
            measure=_perturbation,
            rows=32,
            invariances=("row_order", "padding", "mode"),
            as_published="the first rows, dropout on, the model's own precision",
        ),
    ]
