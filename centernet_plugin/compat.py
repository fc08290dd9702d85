"""All that papers over the surroundings (minimal for now)."""
import importlib.util
import sys
import types
from importlib.machinery import ModuleSpec


def setup():
    if importlib.util.find_spec('mmcv._ext') is None and 'mmcv._ext' not in sys.modules:
        class Ext(types.ModuleType):
            def __getattr__(self, name):
                if name.startswith('__'):
                    raise AttributeError(name)
                def missing(*args, **kwargs):
                    raise RuntimeError(f'mmcv op {name} is not compiled')
                return missing
        ext = Ext('mmcv._ext')
        ext.__spec__ = ModuleSpec('mmcv._ext', None)
        sys.modules['mmcv._ext'] = ext
