"""Every case on tiny sizes, and that its check sees what it should."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from centernet_plugin.benchmark import case as definitions
from centernet_plugin.benchmark.case import BASE, OURS
from centernet_plugin.benchmark.cases import (
    all_cases,
    data,
    decoding,
    deform_conv,
    inference,
    losses,
    scaling,
    targets,
    test_modes,
    training,
)
from centernet_plugin.benchmark.runner import failed, judge_growth, run_case

NETWORK = 'mobilenetv2'  # the smallest


def run(cases, settings):
    rows = [run_case(case, settings) for case in cases]
    assert failed(rows) == [], rows
    return rows


def test_titles_differ(tiny):
    titles = [case.title for case in all_cases(tiny)]
    assert len(titles) == len(set(titles)) > 30


@pytest.mark.parametrize('module', [targets, losses, decoding], ids=lambda m: m.GROUP)
def test_components(tiny, module):
    for row in run(module.cases(tiny), tiny):
        assert {OURS, BASE} == set(row['sides'])
        if row['measure'] == 'time':
            assert row['sides'][OURS].get('goal') and 'met' in row['sides'][OURS]


def test_growth(tiny):
    rows = run([case for case in scaling.cases(tiny) if case.at < 100], replace(tiny, repeat=1))
    judge_growth(rows)
    assert {row['series'] for row in rows} == {case.series for case in scaling.cases(tiny)}
    assert all(row['sides'][OURS]['grown'] > 0 for row in rows)


def test_mmdet_is_spared_a_thousand_objects(tiny):
    cases = scaling.cases(replace(tiny, size=512, images=1))
    (decode,) = (case for case in cases if case.at == 1000 and 'decoding' in case.name)
    assert set(decode.prepare().sides) == {OURS}


def outputs(work):
    return {name: call() for name, call in work.sides.items() if call}


def test_the_check_of_targets(tiny):
    work = targets.prepare(tiny)
    ours, theirs = (outputs(work)[name] for name in (OURS, BASE))
    assert work.check(OURS, ours, theirs) == ''
    theirs[0]['center_heatmap_target'][0, 0, 0, 0] += 1e-3
    assert 'heatmap' in work.check(OURS, ours, theirs)
    theirs[0]['wh_target'] *= 1.001
    assert 'sizes' in work.check(OURS, ours, theirs)
    assert 'count' in work.check(OURS, ours, (theirs[0], 5))


def test_the_check_of_losses(tiny):
    work = losses.prepare(tiny, images=2, objects=6)
    ours, theirs = (outputs(work)[name] for name in (OURS, BASE))
    assert work.check(OURS, ours, theirs) == ''
    gradients = {name: value * 1.01 for name, value in ours[1].items()}
    assert 'gradient of heatmap' in work.check(OURS, (ours[0], gradients), theirs)
    wrong = dict(ours[0], offset=ours[0]['offset'] * 1.01)
    assert work.check(OURS, (wrong, ours[1]), theirs).startswith('offset: ')


def test_the_check_of_detections(tiny):
    work = decoding.prepare(tiny, images=2, objects=6)
    ours, theirs = (outputs(work)[name] for name in (OURS, BASE))
    assert work.check(OURS, ours, theirs) == ''
    ours[1].bboxes[0] += 0.01
    assert work.check(OURS, ours, theirs).startswith('image 1: ')


def test_training_step(tiny):
    settings = replace(tiny, size=64, repeat=1)
    (row,) = run(training.cases(settings), settings)
    assert {OURS, training.LAST, training.BF16, BASE} <= set(row['sides'])
    for side in row['sides'].values():
        assert {'network', 'loss', 'backward', 'optimiser'} <= set(side['steps'])
    assert training.COMPILED in row['absent']
    assert sum('goal' in side for side in row['sides'].values()) == 1


def test_training_steps_change_only_their_own_model(tiny):
    batch = training.make_batch(tiny)
    model, _ = training.build_pair(tiny)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    step = training.make_step(copy.deepcopy(model), batch, None, tiny)
    first, second = step(), step()
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert first['heatmap'] != second['heatmap'], 'the step changed its own'


def test_every_network_is_there_once(tiny):
    networks = test_modes.networks()
    assert {'r18', 'r18-dcnv2', 'r101', 'dla34', 'dla34-dcnv2', 'hourglass104'} <= set(networks)
    cases = [case for case in test_modes.cases(tiny) if case.name.startswith(NETWORK)]
    assert len(cases) == len(test_modes.MODES)
    for row in run(cases, tiny):
        assert 'skipped' in row or row['sides'][OURS]['median'] > 0


def test_pipelines(tiny):
    pytest.importorskip('centernet_plugin.benchmark.pipelines')
    np.random.seed(0)  # of two images, a crop might lose every object
    rows = run(data.cases(tiny), tiny)
    assert len(rows) == 2
    for row in rows:
        assert set(row['sides']) == {OURS, BASE} and row['unit'] == 'images/s'


def test_the_check_of_batches():
    batches = [torch.randn(2, 3, 8, 8)]
    assert data.check_batches(OURS, [batches[0].flip(0)], batches) == ''
    for other in ([batches[0][:1]], [batches[0] * 255], [batches[0].long()], [batches[0] / 0]):
        assert data.check_batches(OURS, other, batches)


def test_inference(tiny, monkeypatch):
    pytest.importorskip('centernet_plugin.benchmark.detectors')
    monkeypatch.setattr(inference, 'VARIANTS', {})
    plain, deformable = run(inference.cases(tiny), tiny)
    assert set(plain['sides']) == {OURS, BASE}
    assert 'skipped' in deformable or set(deformable['sides']) == {OURS, BASE}


def test_deformable_convolution(tiny):
    inputs = pytest.importorskip('centernet_plugin.benchmark.deform_conv')
    assert len(deform_conv.cases(tiny)) == 2 * len(inputs.SIZES)
    for mode in (deform_conv.FORWARD, deform_conv.BOTH):
        size = inputs.Size('tiny', 4, 8, 6)
        work = deform_conv.prepare(tiny, inputs.make_inputs, size, mode)
        output = work.sides[OURS]()
        assert work.check(OURS, output, output) == ''
        assert BASE in work.sides or work.absent[BASE]
        wrong = [output[0] + 1, *output[1:]]
        assert work.check(OURS, wrong, output).startswith('output: ')


def test_every_goal_of_the_list(tiny):
    """The ratios that were set; a row without its goal would look like one that met it."""
    goals = {case.title: dict(case.goals) for case in all_cases(tiny) if case.goals}
    assert goals['targets: 2 images, 6 objects'] == {OURS: 50}
    assert goals['targets and losses: 2 images, 6 objects'] == {OURS: 8, losses.COMPILED: 14}
    assert goals['decoding: 1 image'] == {OURS: 5} and goals['decoding: 2 images'] == {OURS: 10}
    assert {OURS: 2.5} in goals.values() and {definitions.FASTEST: 1.25} in goals.values()
