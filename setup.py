"""Builds the distribution, without importing torch or the package: build isolation has neither."""

import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
PACKAGE = 'centernet_plugin'
# What ``mim`` looks for inside the installed package, in the folder ``.mim``.
MIM_ITEMS = ('configs', 'tools', 'model-index.yml')

ONEDL = ['onedl-mmengine==0.10.12', 'onedl-mmcv==2.3.6', 'onedl-mmdetection==3.5.1']
OPENMMLAB = ['mmengine==0.10.7', 'mmcv-lite==2.1.0', 'mmdet==3.3.0']
# ONNX Runtime has deformable convolution on CPUs since 1.25, which Python 3.10 does not get.
DEPLOY = ['onnx>=1.18', 'onnxscript>=0.5', 'onnxruntime>=1.23']
TEST = ['pytest>=8', 'pytest-xdist>=3', 'hypothesis>=6', 'tensorboard>=2']
DOCS = ['mkdocs>=1.6,<2', 'mkdocstrings-python>=2', 'pygments>=2', 'ruff']


def read_version() -> str:
    """Version string, taken from the text of ``version.py``."""
    text = (ROOT / PACKAGE / 'version.py').read_text()
    return re.search(r"^__version__ = '([^']+)'", text, re.MULTILINE).group(1)


def remove(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)


class BuildWithMim(build_py):
    """Adds ``.mim`` to what is built: copies in a wheel, links in an editable install.

    The copies go into the build folder, never into the source tree, so that no second set of
    configs lies there for mim to find.
    """

    def run(self) -> None:
        super().run()
        editable = getattr(self, 'editable_mode', False)
        target = (ROOT if editable else Path(self.build_lib)) / PACKAGE / '.mim'
        target.mkdir(parents=True, exist_ok=True)
        for item in MIM_ITEMS:
            source, destination = ROOT / item, target / item
            remove(destination)
            if editable:
                destination.symlink_to(Path('..', '..', item))
            elif source.is_dir():
                ignore = shutil.ignore_patterns('__pycache__', '*.pyc')
                shutil.copytree(source, destination, ignore=ignore)
            else:
                shutil.copy(source, destination)


if __name__ == '__main__':
    readme = ROOT / 'README.md'
    setup(
        name=PACKAGE,
        version=read_version(),
        description='CenterNet ("Objects as Points") as an MMDetection plugin',
        long_description=readme.read_text(encoding='utf-8') if readme.exists() else '',
        long_description_content_type='text/markdown',
        license='Apache-2.0',
        keywords='computer vision, object detection, CenterNet, MMDetection, OpenMMLab',
        classifiers=[
            'Development Status :: 4 - Beta',
            'Operating System :: POSIX :: Linux',
            'Programming Language :: Python :: 3.10',
            'Programming Language :: Python :: 3.11',
            'Programming Language :: Python :: 3.12',
            'Topic :: Scientific/Engineering :: Artificial Intelligence',
        ],
        packages=find_packages(include=[PACKAGE, f'{PACKAGE}.*']),
        python_requires='>=3.10,<3.13',
        # Nothing of OpenMMLab and no torch: both come in several builds under several names, and
        # a hard requirement would pull a second one on top of the user's own.
        install_requires=['numpy', 'shapely>=2'],
        extras_require={
            'onedl': ONEDL,
            'openmmlab': OPENMMLAB,
            'deploy': DEPLOY,
            'test': TEST,
            'docs': DOCS,
            'dev': [*TEST, 'ruff'],
        },
        cmdclass={'build_py': BuildWithMim},
        zip_safe=False,
    )
