"""``python -m app.api``: pass the start-up gate, then serve."""

from app.api.main import create_app, make_services, wrap
from app.logs import configure_logging
from app.serve import serve
from app.settings import ApiSettings
from app.start_gate import start_gate


def main() -> None:
    """Serve the API."""
    configure_logging("api")
    with start_gate():
        settings = ApiSettings()
        services = make_services(settings)
    serve(wrap(create_app(services), settings), settings, service="api")


if __name__ == "__main__":
    main()
