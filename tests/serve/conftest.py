import pytest
from support.serving import serving


@pytest.fixture
def serve():
    """Starts a proxy before a stand-in; stops it at the end, and looks that nothing is left."""
    opened = []

    def start(fake, **options):
        running = serving(fake, **options)
        opened.append(running)
        return running.__enter__()

    yield start
    for one in reversed(opened):
        one.__exit__(None, None, None)
