"""Names of the processes of other launchers than torch's."""

import os

import pytest
from mmengine.config import Config

from centernet_plugin.engine.cpu_processes import name_processes
from centernet_plugin.errors import UserInputError

NAMES = ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR', 'MASTER_PORT')


@pytest.fixture
def variables(monkeypatch):
    for name in NAMES:
        monkeypatch.setenv(name, '')  # so that it is undone
        monkeypatch.delenv(name)
    for name, value in (('RANK', 3), ('SIZE', 4), ('LOCAL_RANK', 1)):
        monkeypatch.setenv(f'OMPI_COMM_WORLD_{name}', str(value))
    return monkeypatch


def test_open_mpi(variables):
    variables.setenv('MASTER_ADDR', 'first')
    name_processes(Config(dict(launcher='mpi', env_cfg=dict(dist_cfg=dict(port=5)))))
    assert [os.environ[name] for name in NAMES] == ['3', '4', '1', 'first', '5']


@pytest.mark.parametrize('missing', ['MASTER_ADDR', 'OMPI_COMM_WORLD_RANK'])
def test_open_mpi_that_did_not_start_it(variables, missing):
    variables.setenv('MASTER_ADDR', 'first')
    variables.delenv(missing)
    with pytest.raises(UserInputError, match=f"mpi, but '{missing}' is not set: start it by mpir"):
        name_processes(Config(dict(launcher='mpi')))
