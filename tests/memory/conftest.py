import pytest
from support.ways import Door


@pytest.fixture(params=["sync", "async"])
def door(request):
    return Door(request.param)
