"""Download one file: resumable, bounded, whole or not at all."""

from pathlib import Path

from discbench.errors import DataError, place_fault


def download(url: str, target: Path, max_bytes: int, instead: str = "") -> None:
    """Fetch `url` into `target`, going on where an earlier try was cut off; one process at a time.

    Args:
        url: Where it is.
        target: Where it goes.
        max_bytes: A larger one is refused.
        instead: What can be done where there is no network, for the message.

    Raises:
        DataError: The address cannot be reached, answers with an error, or sends more than `max_bytes`.
    """
    import httpx
    from filelock import FileLock

    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_name(f".{target.name}.lock")):
            if target.is_file():
                return  # fetched by another process while we waited for it
            _stream(url, part, max_bytes)
            part.replace(target)
    except OSError as error:
        raise DataError(f"{url} cannot be kept: {place_fault(error, part)} (DISCBENCH_CACHE)") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise DataError(
            f"{url} cannot be fetched ({type(error).__name__}: {error})"
            + (f"; {instead} (--data-dir or DISCBENCH_DATA)" if instead else "")
        ) from error


def _stream(url: str, part: Path, max_bytes: int) -> None:
    import httpx

    have = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={have}-"} if have else {})}
    with httpx.stream("GET", url, headers=headers, follow_redirects=True, timeout=30) as response:
        if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            return
        response.raise_for_status()
        resumed = response.status_code == httpx.codes.PARTIAL_CONTENT
        size = have if resumed else 0
        with part.open("ab" if resumed else "wb") as file:
            for chunk in response.iter_raw():
                size += len(chunk)
                if size > max_bytes:
                    part.unlink()
                    raise DataError(
                        f"{url} sends more than the {max_bytes:,} bytes that its task allows; nothing was kept"
                    )
                file.write(chunk)
