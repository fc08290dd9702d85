"""Pictures of networks: what feeds what, where it stands, and the file."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from mmdet.registry import MODELS
from mmengine.config import Config
from torch import nn

from centernet_plugin.errors import UserInputError
from centernet_plugin.visualization.architecture import (
    build_graph,
    draw_graph,
    network_graph,
    trace,
)
from centernet_plugin.visualization.architecture.geometry import label, lay_out
from centernet_plugin.visualization.architecture.layout import arrange, split

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = {
    'resnet': 'r18-dcnv2_4xb28-warp512-140e_coco',
    'plain_dla': 'dla34_8xb16-warp512-140e_coco',
    'dla': 'dla34-dcnv2_8xb16-warp512-140e_coco',
    'hourglass': 'hourglass104_8xb3-warp512-50e_coco',
    'mobilenet': 'mobilenetv2_8xb16-modern-140e_coco',
}
PICTURES = {
    'resnet': 'resnet18_dcnv2',
    'plain_dla': 'dla34',
    'dla': 'dla34_dcnv2',
    'hourglass': 'hourglass104',
}
HEADS = ['heatmap', 'size', 'offset']


def model_config(name):
    return Config.fromfile(ROOT / f'configs/centernet/centernet_{CONFIGS[name]}.py').model


@pytest.fixture(scope='module')
def graphs():
    return {name: network_graph(model_config(name))[0] for name in CONFIGS}


def sizes(graph, *names):
    return [(graph.nodes[name].channels, graph.nodes[name].stride) for name in names]


def kinds(graph, *names):
    return [graph.nodes[name].kind for name in names]


def chain(graph, name):
    """Names from the input to a node, while there is one way only."""
    names = [name]
    while len(graph.inputs(names[0])) == 1:
        names[:0] = graph.inputs(names[0])
    return names


def test_resnet_is_one_chain_into_the_heads(graphs):
    graph = graphs['resnet']
    ups = [f'neck.deconv_layers.{i}' for i in (0, 3, 6, 9, 12, 15)]
    trunk = ['conv1', 'maxpool', 'layer1', 'layer2', 'layer3', 'layer4']
    assert chain(graph, ups[-1]) == ['image', *(f'backbone.{part}' for part in trunk), *ups]
    assert kinds(graph, *ups) == ['deform', 'up'] * 3
    assert sizes(graph, *ups) == [(256, 32), (256, 16), (128, 16), (128, 8), (64, 8), (64, 4)]
    assert graph.nodes['backbone.maxpool'].kind == 'pool'
    heads = [f'bbox_head.heads.0.{name}' for name in HEADS]
    assert graph.outputs(ups[-1]) == heads
    assert sizes(graph, *heads) == [(80, 4), (2, 4), (2, 4)]
    assert [name for name, node in graph.nodes.items() if node.is_output] == heads
    assert len(graph.nodes) == 16


def test_plain_dla_concatenates(graphs):
    graph = graphs['plain_dla']
    levels = [f'backbone.level{i}' for i in range(2, 6)]
    assert sizes(graph, *levels) == [(64, 4), (128, 8), (256, 16), (512, 32)]
    (concat,) = graph.inputs('neck.stages.0.nodes.0')
    assert graph.inputs(concat) == ['backbone.level4', 'neck.stages.0.ups.0']
    assert kinds(graph, concat) == ['concat'] and sizes(graph, concat) == [(512, 16)]
    assert not {'deform', 'sum'} & {node.kind for node in graph.nodes.values()}
    assert graph.outputs('neck.stages.2.nodes.2') == [f'bbox_head.heads.0.{name}' for name in HEADS]


def test_modified_dla_adds_and_takes_three_strides_up_again(graphs):
    graph = graphs['dla']

    def merged(node):
        (joint,) = graph.inputs(node)
        assert graph.nodes[joint].kind == 'sum'
        return graph.inputs(joint)

    assert merged('neck.final.nodes.0') == ['neck.stages.2.nodes.2', 'neck.final.ups.0']
    assert merged('neck.final.nodes.1') == ['neck.final.nodes.0', 'neck.final.ups.1']
    ends = ['neck.stages.2.nodes.2', 'neck.stages.1.nodes.1', 'neck.stages.0.nodes.0']
    assert sizes(graph, *ends) == [(64, 4), (128, 8), (256, 16)]
    for i in (0, 1):
        assert chain(graph, f'neck.final.ups.{i}')[-3:] == [
            ends[i + 1],
            f'neck.final.projs.{i}',
            f'neck.final.ups.{i}',
        ]
    assert [graph.nodes[f'neck.final.ups.{i}'].scale for i in (0, 1)] == [2, 4]
    assert label(graph.nodes['neck.final.ups.1']) == ['final', 'ups.1 ×4', '64 /4']
    # The skip connections of the published pyramid, and of the first aggregations.
    assert merged('neck.stages.2.nodes.0') == ['backbone.level2', 'neck.stages.2.ups.0']
    assert merged('neck.stages.2.nodes.2') == ['neck.stages.2.nodes.1', 'neck.stages.2.ups.2']
    assert merged('neck.stages.0.nodes.0') == ['backbone.level4', 'neck.stages.0.ups.0']
    assert sum(node.kind == 'deform' for node in graph.nodes.values()) == 16


def test_hourglass_has_two_stacks_joined_by_a_sum(graphs):
    graph = graphs['hourglass']
    (joint,) = graph.inputs('backbone.inters.0')
    assert graph.nodes[joint].kind == 'sum'
    assert graph.inputs(joint) == ['backbone.conv1x1s.0', 'backbone.remap_convs.0']
    assert graph.inputs('backbone.conv1x1s.0') == ['backbone.stem.1']
    assert graph.inputs('backbone.remap_convs.0') == ['backbone.out_convs.0']
    for stack, source in enumerate(['backbone.stem.1', 'backbone.inters.0']):
        module = f'backbone.hourglass_modules.{stack}'
        assert graph.inputs(f'{module}.up1') == graph.inputs(f'{module}.low1') == [source]
        assert graph.inputs(f'{module}.add') == [f'{module}.up1', f'{module}.interpolate']
        assert graph.inputs(f'backbone.out_convs.{stack}') == [f'{module}.add']
        heads = [f'bbox_head.heads.{stack}.{name}' for name in HEADS]
        assert [n for n in graph.outputs(f'backbone.out_convs.{stack}') if 'head' in n] == heads
    downs = [f'backbone.hourglass_modules.0.{"low2." * i}low1' for i in range(5)]
    assert sizes(graph, *downs) == [(256, 8), (384, 16), (384, 32), (384, 64), (512, 128)]
    assert sum(node.kind == 'resize' for node in graph.nodes.values()) == 10


def test_labels_are_the_sizes_of_real_tensors():
    config = model_config('dla').to_dict()
    channels = (8, 8, 8, 16, 24, 32)
    config['backbone'].update(
        arch=dict(levels=(1, 1, 1, 2, 2, 1), channels=channels, block='basic'), init_cfg=None
    )
    config['neck'].update(in_channels=channels[2:])
    config['bbox_head'].update(in_channels=8, feat_channels=8)
    graph, _ = network_graph(config, (64, 96))
    model = MODELS.build(config).eval()
    seen = {}
    for name, module in model.named_modules():
        module.register_forward_hook(lambda m, args, out, name=name: seen.update({name: out}))
    with torch.no_grad():
        model(torch.zeros(1, 3, 64, 96), mode='tensor')
    units = [node for node in graph.nodes.values() if node.name in seen]
    assert len(units) == len(graph.nodes) - 1 - 8  # without the image and the sums
    for node in units:
        shape = tuple(seen[node.name].shape)
        assert shape == (1, node.channels, 64 // node.stride, 96 // node.stride)
        assert label(node)[-1] == f'{shape[1]} /{64 // shape[2]}'
    for edge in graph.edges:
        source = graph.nodes[edge.source]
        assert (edge.channels, edge.stride) == (source.channels, source.stride)


class Toy(nn.Module):
    """In-place and idle operations, a branch on half of the channels, one module used twice."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(True))
        self.part = nn.Conv2d(4, 8, 1)
        self.twice = nn.Conv2d(8, 8, 3, padding=1)
        self.squeeze = nn.Conv2d(8, 8, 1)

    def forward(self, x, mode):
        x = self.stem(x).float().contiguous()
        _, right = x.chunk(2, dim=1)
        y = self.part(right).relu_()
        y = y + self.twice(y) + self.twice(x)
        gate = self.squeeze(y.mean((2, 3), keepdim=True)).sigmoid()
        return F.max_pool2d(y * gate, 2)


def test_looks_through_what_changes_nothing():
    graph = build_graph(trace(Toy().eval(), torch.zeros(1, 3, 32, 48), mode='tensor'))
    assert [(n, node.kind, node.stride) for n, node in graph.nodes.items()] == [
        ('image', 'input', 1),
        ('stem', 'conv', 2),
        ('part', 'conv', 2),
        ('twice', 'conv', 2),
        ('twice:2', 'conv', 2),
        ('add:2', 'sum', 2),
        ('squeeze', 'conv', 2),
        ('mul', 'product', 2),
        ('max_pool2d', 'pool', 4),
    ]
    assert [(e.source, e.channels) for e in graph.edges if e.target == 'part'] == [('stem', 4)]
    assert sorted(graph.inputs('add:2')) == ['part', 'twice', 'twice:2']
    assert graph.inputs('mul') == ['add:2', 'squeeze']
    assert graph.nodes['max_pool2d'].is_output


def test_detail_opens_units(graphs):
    graph, _ = network_graph(model_config('resnet'), detail=1)
    assert 'backbone.layer1' not in graph.nodes
    assert graph.inputs('backbone.layer2.0') == ['backbone.layer1.1']
    assert graph.nodes['neck.deconv_layers.0'].kind == 'deform'  # has no parts
    graph, _ = network_graph(model_config('resnet'), detail=2)
    (joint,) = graph.outputs('backbone.layer1.0.conv2')
    assert sorted(graph.inputs(joint)) == ['backbone.layer1.0.conv2', 'backbone.maxpool']


def test_networks_that_need_numbers_run_on_the_cpu():
    config = model_config('dla').to_dict()
    config['backbone'] = dict(
        type='mmdet.SwinTransformer',
        embed_dims=8,
        depths=(2, 1, 1, 1),
        num_heads=(1, 1, 2, 2),
    )
    config['neck']['in_channels'] = (8, 16, 32, 64)
    config['bbox_head']['in_channels'] = 8
    graph, model = network_graph(config, (64, 64))
    assert next(model.parameters()).device.type == 'cpu'
    blocks = graph.nodes['backbone.stages.0.blocks.0']
    assert (blocks.kind, blocks.count, blocks.channels, blocks.stride) == ('dense', 2, 8, 4)
    assert 'backbone.stages.0.blocks.0' in graph.inputs('neck.stages.2.add')


def test_a_network_that_does_not_fit_is_one_sentence():
    config = model_config('dla').to_dict()
    config['neck']['in_channels'] = (8, 16, 32, 64)
    with pytest.raises(UserInputError, match='64 x 64.*in_channels of the neck'):
        network_graph(config, (64, 64))


@pytest.mark.parametrize('fold', [0, 1, 2])
@pytest.mark.parametrize('name', CONFIGS)
def test_boxes_stand_in_order_and_apart(graphs, name, fold):
    boxes = arrange(graphs[name], fold)
    cells = {(box.stride, box.lane, box.column) for box in boxes.values()}
    assert len(cells) == len(boxes)
    assert sum(len(box.nodes) + (box.merge is not None) for box in boxes.values()) == len(
        graphs[name].nodes
    )
    for box in boxes.values():
        for source in box.sources:
            step = box.column - boxes[source].column
            assert (
                step > 0
                or step == 0
                and boxes[source].stride != box.stride
                or (step == 0 and boxes[source].lane != box.lane)
            )


@pytest.mark.parametrize('name', CONFIGS)
def test_wires_touch_no_box_and_no_other_wire(graphs, name):
    for boxes in split(arrange(graphs[name], 2), 8):
        panel = lay_out(boxes)
        frames = {n: (*panel.centres[n], *panel.extents[n]) for n in boxes}
        runs = {}
        for source, net in panel.wires.items():
            assert sorted(net.paths) == sorted(n for n, b in boxes.items() if source in b.sources)
            for target, path in net.paths.items():
                for point in panel.line(path):
                    for other in set(frames) - {source, target}:
                        x, y, width, height = frames[other]
                        inside = abs(point[0] - x) < width / 2 and abs(point[1] - y) < height / 2
                        assert not inside, (source, target, other)
                for a, b in zip(path, path[1:], strict=False):
                    assert runs.setdefault(frozenset((a, b)), source) == source


def test_skip_connections_are_the_short_ways(graphs):
    boxes = arrange(graphs['dla'])
    skips = {(source, name) for name, box in boxes.items() for source in box.skips}
    assert skips == {
        ('backbone.level2', 'neck.stages.2.nodes.0'),
        ('backbone.level3', 'neck.stages.1.nodes.0'),
        ('backbone.level4', 'neck.stages.0.nodes.0'),
        ('neck.stages.1.nodes.1', 'neck.final.projs.0'),
        ('neck.final.projs.0', 'neck.final.ups.0'),
        ('neck.final.ups.0', 'neck.final.nodes.0'),
        ('neck.stages.0.nodes.0', 'neck.final.projs.1'),
        ('neck.final.projs.1', 'neck.final.ups.1'),
        ('neck.final.ups.1', 'neck.final.nodes.1'),
    }


def test_panels_hold_every_box_once_and_links_for_the_rest(graphs):
    boxes = arrange(graphs['hourglass'])
    edges = sum(len(box.sources) for box in boxes.values())
    names = set(boxes)
    panels = split(boxes, 12)
    assert len(panels) == 3
    assert sorted(n for panel in panels for n in panel if n in names) == sorted(names)
    links = [box for panel in panels for box in panel.values() if box.nodes[0].kind == 'link']
    assert len(links) % 2 == 0 and links
    assert sum(len(b.sources) for p in panels for b in p.values()) == edges + len(links) // 2
    for panel in panels:
        assert all(source in panel for box in panel.values() for source in box.sources)


def test_the_same_network_gives_the_same_file(graphs, tmp_path):
    for name in ('a.svg', 'b.svg'):
        draw_graph(graphs['dla'], tmp_path / name, size=(512, 512), title='DLA', note='note')
    draw_graph(graphs['resnet'], tmp_path / 'c.png', size=(512, 512))
    first = (tmp_path / 'a.svg').read_bytes()
    assert first == (tmp_path / 'b.svg').read_bytes()
    assert 50e3 < len(first) < 300e3
    assert b"font-family: 'DejaVu Sans', sans-serif" in first
    assert b'id="neck.final.ups.1"' in first
    assert (tmp_path / 'c.png').read_bytes().startswith(b'\x89PNG')


@pytest.mark.parametrize('name', PICTURES)
def test_pictures_of_the_docs_are_those_of_todays_networks(tool, tmp_path, name):
    """The texts and modules; where they stand may differ between versions of matplotlib."""
    config = ROOT / f'configs/centernet/centernet_{CONFIGS[name]}.py'
    assert tool(config, '--out', tmp_path / 'today.svg') == 0
    today, docs = (
        path.read_text('utf-8')
        for path in (tmp_path / 'today.svg', ROOT / f'docs/architecture_{PICTURES[name]}.svg')
    )
    texts = re.findall('<text.*?>(.*?)</text>', docs)
    assert texts == re.findall('<text.*?>(.*?)</text>', today)
    modules = re.findall('id="((?:backbone|neck|bbox_head)[.].*?)"', docs)
    assert modules == re.findall('id="((?:backbone|neck|bbox_head)[.].*?)"', today)
    assert CONFIGS[name] in texts[0] and 'M parameters' in texts[1] and len(modules) > 12
    picture = f'docs/architecture_{PICTURES[name]}.svg'
    command = f'configs/centernet/centernet_{CONFIGS[name]}.py --out {picture}'
    assert command in (ROOT / 'docs/architecture.md').read_text('utf-8')


@pytest.fixture
def tool(monkeypatch):
    path = ROOT / 'tools/analysis_tools/draw_architecture.py'
    spec = importlib.util.spec_from_file_location('draw_architecture', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def call(*args):
        monkeypatch.setattr(sys, 'argv', ['draw_architecture.py', *map(str, args)])
        return module.cli.run(module.main)

    return call


def test_tool_draws_a_config(tool, tmp_path, capsys):
    config = ROOT / f'configs/centernet/centernet_{CONFIGS["resnet"]}.py'
    out = tmp_path / 'new' / 'network.svg'
    assert tool(config, '--out', out, '--shape', 64, 128) == 0
    assert '16 nodes, 15 connections' in capsys.readouterr().out
    assert out.stat().st_size > 30e3


@pytest.mark.parametrize(
    ('args', 'sentence'),
    [
        (['nowhere.py', '--out', 'a.svg'], "config 'nowhere.py' does not exist"),
        (['nowhere.py', '--out', 'a.txt'], 'must end in one of'),
        (['nowhere.py', '--out', 'a.svg', '--shape', '0', '64'], 'positive numbers'),
    ],
)
def test_mistakes_get_one_sentence(tool, capsys, args, sentence):
    assert tool(*args) == 2
    assert sentence in capsys.readouterr().err
