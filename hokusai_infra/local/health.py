"""Health checks of containers, run as ECS runs them."""

import asyncio
import contextlib
from collections.abc import Mapping
from pathlib import Path

from hokusai_infra.local.task_definitions import HealthCheck


async def healthy_once(
    check: HealthCheck | None, environment: Mapping[str, str], folder: Path
) -> str | None:
    """Run a health command; say why not, or ``None``."""
    if check is None:
        return None
    try:
        process = await asyncio.create_subprocess_exec(
            *check.command,
            env=environment,
            cwd=folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        return f"its health command does not start: {error}"
    try:
        said, _ = await asyncio.wait_for(process.communicate(), check.timeout)
    except TimeoutError:
        return f"no answer within {check.timeout:.0f} s"
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode == 0:
        return None
    last = said.decode(errors="replace").strip().rpartition("\n")[2]
    return last[:300] or f"its health command exited with code {process.returncode}"


async def routed(port: int, path: str, seconds: float = 15) -> None:
    """Wait until a balancer has a healthy task to pass a request to."""
    request = f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n"
    until = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < until:
        with contextlib.suppress(OSError, IndexError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request.encode())
            status = (await reader.readline()).split()[1]
            writer.close()
            if status not in (b"502", b"503", b"504"):
                return
        await asyncio.sleep(0.1)
