"""Text, sound, series, tables and mixing: what the methods promise, against straight computations."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from modelwright.augmentation import augment
from modelwright.augmentation.translated import MADE_OF, Made, back_translate, translator, with_made_rows
from modelwright.core.data import Column, Dataset, Schema
from modelwright.core.errors import UserError
from modelwright.core.use import Use
from modelwright_runtime.signature import ArrayInput, Task

torch = pytest.importorskip("torch")
from modelwright.augmentation import mixing, series, spectral, tables, text
from modelwright.training.loop.batch import Batch

torch.set_num_threads(1)
RATE_HZ = 16_000
SOUND = ArrayInput(form="audio", columns=("s",), settings={"rate_hz": RATE_HZ})
VOCABULARY = ["the", "of", "walking", "running", "quickly", "slowly", "big", "talking", "2019", "2020", "!", "large"]
WORDS = ArrayInput(form="tokens", columns=("t",), settings={"level": "word", "vocabulary": VOCABULARY})
TABLE = (
    ArrayInput(form="numbers", columns=("a", "b"), settings={"mean": [0.0, 0.0], "scale": [1.0, 10.0]}),
    ArrayInput(form="codes", columns=("c",)),
)
CLASSES = (Task(kind="multiclass", target="y", classes=("a", "b", "c")),)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# Text --------------------------------------------------------------------------------------------------------


def tokens(n: int = 400, length: int = 30) -> torch.Tensor:
    x = torch.randint(2, 14, (n, length), generator=rng())
    x[torch.arange(length) >= torch.randint(1, length + 1, (n, 1), generator=rng(1))] = 0
    return x


def test_words_are_dropped_and_deleted_as_often_as_asked() -> None:
    x = tokens()
    there = x != 0
    dropped = text.dropped(x, WORDS, text.WordSpec(tokens=0.2), rng())
    assert abs(float((dropped[there] == 1).double().mean()) - 0.2) < 0.02 and (dropped[~there] == 0).all()
    deleted = text.deleted(x, WORDS, text.WordSpec(tokens=0.2), rng())
    assert abs(1 - float((deleted != 0).sum()) / float(there.sum()) - 0.2) < 0.02
    for before, after in zip(x.tolist(), deleted.tolist(), strict=True):
        rest = iter(before)
        assert all(token in rest for token in after if token), "the order is lost"
    assert (deleted != 0).any(1).all()


def test_swaps_keep_the_words() -> None:
    x = tokens()
    y = text.swapped(x, WORDS, text.WordSpec(tokens=0.2), rng())
    assert torch.equal(x.sort(1).values, y.sort(1).values) and ((x == 0) == (y == 0)).all()
    assert 0.05 < float((x != y)[x != 0].double().mean()) < 0.25


def test_words_are_replaced_by_their_like() -> None:
    like = [{"the"}, {"of"}, {"walking", "running", "talking"}, {"quickly", "slowly"}, {"big"}, {"2019", "2020"}, {"!"}]
    x = tokens()
    y = text.replaced(x, WORDS, text.ReplaceSpec(tokens=0.5), rng())
    for before, after in zip(x[x != y].tolist(), y[x != y].tolist(), strict=True):
        one, other = VOCABULARY[before - 2], VOCABULARY[after - 2]
        assert any({one, other} <= group for group in like), (one, other)
    walking = y[(x == 4) & (x != y)]
    assert set(walking.tolist()) == {5, 9}


def test_words_are_replaced_by_synonyms_given(tmp_path: Path) -> None:
    path = tmp_path / "synonyms.json"
    path.write_text(json.dumps({"Big": ["large", "huge"], "nowhere": ["big"], "of": ["unheard"]}))
    spec = text.ReplaceSpec(tokens=0.9, synonyms=str(path))
    x = tokens()
    y = text.replaced(x, WORDS, spec, rng())
    assert set(x[x != y].tolist()) == {8} and set(y[x != y].tolist()) == {13}
    longer = text.inserted(torch.tensor([[8, 3, 0, 0]]), WORDS, spec, rng(1))
    assert longer.tolist() == [[8, 13, 3, 0]]
    for content in ("[1]", "{", '{"a": "b"}'):
        broken = tmp_path / f"broken{len(content)}.json"
        broken.write_text(content)
        with pytest.raises(UserError, match="augment.synonyms"):
            text.replaced(x, WORDS, text.ReplaceSpec(synonyms=str(broken)), rng())


def test_letters_are_mistyped_in_four_ways() -> None:
    letters = "abcdefghijklmnopqrstuvwxyz "
    array = ArrayInput(form="tokens", columns=("t",), settings={"level": "character", "vocabulary": list(letters)})
    sentence = "the quick brown fox jumps over the lazy dog"
    x = torch.tensor([[letters.index(letter) + 2 for letter in sentence] + [0] * 10] * 300)
    y = text.misspelled(x, array, text.SpellingSpec(letters=0.05), rng())
    found = {"".join(letters[token - 2] for token in row if token) for row in y.tolist()}
    assert {len(one) - len(sentence) for one in found} >= {-1, 0, 1}
    assert any(sorted(one) == sorted(sentence) and one != sentence for one in found), "no two letters were exchanged"
    single = [one for one in found if len(one) == 43 and sum(a != b for a, b in zip(sentence, one, strict=True)) == 1]
    assert single, "no letter was hit beside"
    rows = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
    for one in single:
        a, b = next((a, b) for a, b in zip(sentence, one, strict=True) if a != b)
        if "".join(sorted(a + b)) in ("".join(sorted(pair)) for pair in zip(sentence, sentence[1:], strict=False)):
            continue  # a letter doubled where the next was left out
        ((i, j),) = [(i, row.index(a)) for i, row in enumerate(rows) if a in row]
        ((k, m),) = [(i, row.index(b)) for i, row in enumerate(rows) if b in row]
        assert abs(i - k) <= 1 and abs(j - m) <= 1
    with pytest.raises(UserError, match="augment.level"):
        text.misspelled(tokens(), WORDS, text.SpellingSpec(), rng())


def test_texts_come_back_another_way_and_made_rows_are_flagged() -> None:
    import polars as pl

    def forth(texts: list[str]) -> list[str]:
        return [one.replace("big", "groß").replace("film", "Film") for one in texts]

    def back(texts: list[str]) -> list[str]:
        return [one.replace("groß", "large").replace("Film", "movie") for one in texts]

    texts = ["a big film", "nothing here", "BIG  Film", "film", ""]
    made = back_translate(texts, forth, back, n_at_once=2)
    assert made == (Made(0, "a large movie"), Made(2, "BIG  movie"), Made(3, "movie"))
    schema = Schema((Column("text", "text"), Column("y", "category", "target")))
    data = Dataset.from_frame(pl.DataFrame({"text": texts, "y": list("abcde")}), schema)
    more = with_made_rows(data, "text", made)
    assert more.n_rows == 8 and more.schema[MADE_OF].role == "ignored" and more.schema.target == "y"
    added = more.frame.filter(pl.col(MADE_OF).is_not_null())
    assert added.rows() == [(5, "a large movie", "a", 0), (6, "BIG  movie", "c", 2), (7, "movie", "d", 3)]
    assert more.frame.filter(pl.col(MADE_OF).is_null()).drop(MADE_OF).equals(data.frame)
    with pytest.raises(UserError, match="augment.translate"):
        back_translate(texts, lambda t: t[:-1], back)


def test_a_model_of_transformers_translates() -> None:
    transformers = pytest.importorskip("transformers")
    settings = {"vocab_size": 20, "d_model": 8, "encoder_layers": 1, "decoder_layers": 1, "pad_token_id": 0}
    settings |= {"encoder_attention_heads": 1, "decoder_attention_heads": 1, "encoder_ffn_dim": 8, "eos_token_id": 1}
    settings |= {"decoder_ffn_dim": 8, "decoder_start_token_id": 0, "forced_eos_token_id": 1}
    torch.manual_seed(0)
    model = transformers.MarianMTModel(transformers.MarianConfig(**settings)).eval()

    class Letters:
        def __call__(self, texts: list[str], **_: object) -> dict[str, torch.Tensor]:
            longest = max(map(len, texts))
            ids = torch.tensor([[ord(c) % 17 + 2 for c in one] + [0] * (longest - len(one)) for one in texts])
            return {"input_ids": ids, "attention_mask": (ids > 0).long()}

        def batch_decode(self, answers: torch.Tensor, **_: object) -> list[str]:
            return ["".join(chr(97 + token) for token in row if token > 1) for row in answers.tolist()]

    translate = translator(model, Letters(), max_tokens=8)
    assert translate(["abc", "de"]) == translate(["abc", "de"]) and len(translate(["abc", "de"])) == 2


# Sound -------------------------------------------------------------------------------------------------------


def tone(hz: float, seconds: float = 1.0) -> torch.Tensor:
    return 0.5 * torch.sin(2 * math.pi * hz * torch.arange(int(seconds * RATE_HZ)) / RATE_HZ)


def loudest_hz(x: torch.Tensor) -> float:
    middle = x[len(x) // 4 : -len(x) // 4]
    spectrum = torch.fft.rfft(middle * torch.hann_window(len(middle)), n=8 * len(middle)).abs()
    return float(spectrum.argmax()) * RATE_HZ / (8 * len(middle))


@pytest.mark.parametrize("speed", [0.8, 1.25])
def test_stretched_sound_keeps_its_pitch_and_changes_its_speed(speed: float) -> None:
    clicks = torch.zeros(RATE_HZ)
    burst = tone(1000, 0.02) * torch.hann_window(320)
    for place in range(4000, 12_001, 2000):
        clicks[place : place + 320] = burst
    x = torch.stack([tone(440), clicks])
    y = spectral.at_speed(x, torch.full((2,), speed), spectral.window(SOUND))
    assert abs(loudest_hz(y[0]) - 440) < 2
    assert abs(float(y[0, 3000:13_000].square().mean()) / 0.125 - 1) < 0.05
    loud = y[1].unfold(0, 200, 50).square().mean(1)
    peaks = [i for i in range(1, len(loud) - 1) if loud[i] == loud[max(0, i - 15) : i + 16].max() and loud[i] > 1e-3]
    gaps = np.diff(peaks) * 50
    assert len(gaps) >= 2 and abs(np.mean(gaps) - 2000 / speed) < 128  # all of them within a window


@pytest.mark.parametrize("seed", range(3))
def test_pitch_moves_by_the_semitones_drawn_and_the_length_stays(seed: int) -> None:
    x = torch.stack([tone(440), tone(880)])
    y = spectral.pitched(x, SOUND, spectral.PitchSpec(semitones=4), rng(seed))
    factors = torch.exp2((torch.rand(2, generator=rng(seed), dtype=torch.float64) * 8 - 4) / 12)
    assert y.shape == x.shape
    for row, hz in enumerate((440, 880)):
        assert abs(loudest_hz(y[row]) / (hz * float(factors[row])) - 1) < 0.01
        assert abs(float(y[row, 2000:-2000].square().mean()) / 0.125 - 1) < 0.1


def test_spec_augment_hides_bands_and_moments_and_no_more() -> None:
    x = torch.randn(20, RATE_HZ, generator=rng()) * 0.1
    x *= torch.linspace(0.2, 2, RATE_HZ)  # so that the mean level is not that of every moment
    one = spectral.SpecAugmentSpec(n_bands=0, n_moments=1, moment=0.3)
    y = spectral.hidden(x, SOUND, one, rng(4))
    changed = (x - y).abs() > 1e-3
    for row in changed:
        places = row.nonzero().squeeze(1)
        if len(places):
            assert places[-1] - places[0] < 0.3 * RATE_HZ + 1024, "more than one stretch was changed"
    bands = spectral.hidden(x, SOUND, spectral.SpecAugmentSpec(n_bands=1, n_moments=0, band=0.5), rng(4))
    before, after = torch.fft.rfft(x).abs(), torch.fft.rfft(bands).abs()
    share = ((before - after).abs() > 0.2 * before.mean()).double().mean()
    assert 0.05 < float(share) < 0.6
    assert float((bands - x).abs().max()) > 0.01
    none = spectral.SpecAugmentSpec(n_bands=0, n_moments=0)
    assert float((spectral.hidden(x, SOUND, none, rng()) - x).abs().max()) < 1e-5


@pytest.mark.parametrize(
    "name", ["audio_noise", "audio_shift", "audio_gain", "audio_stretch", "audio_pitch", "spec_augment"]
)
def test_silence_stays_silent(name: str) -> None:
    batch = Batch((torch.zeros(4, 3000),), ())
    made = augment(batch, (SOUND,), (), [Use(method=name, settings={"share": 1.0})], seed=0, epoch=0, step=0)
    assert (made.inputs[0] == 0).all()


# Series ------------------------------------------------------------------------------------------------------


def test_series_are_read_between_their_values() -> None:
    x = torch.randn(5, 3, 40, generator=rng())
    places = torch.rand(5, 40, generator=rng()) * 39
    y = series.read_at(x, places)
    for row in range(5):
        for column in range(3):
            assert np.allclose(y[row, column], np.interp(places[row], np.arange(40), x[row, column]), atol=1e-5)


def test_time_warps_keep_order_and_ends() -> None:
    ramp = torch.arange(100.0).expand(50, 2, 100)
    y = series.time_warped(ramp, None, series.TimeWarpSpec(deviation=0.3), rng())
    assert (y.diff(dim=2) > 0).all() and (y[..., 0] == 0).all() and torch.allclose(y[..., -1], torch.tensor(99.0))
    assert torch.equal(y[:, 0], y[:, 1]) and 1 < float((y - ramp).abs().max()) < 40
    speeds = y.diff(dim=2).log()
    assert 0.15 < float(speeds.std()) < 0.4


def test_smooth_curves_have_deviation_1() -> None:
    curves = series.smooth_curves(4000, 60, 4, rng())
    assert abs(float(curves.mean())) < 0.05 and abs(float(curves.std()) - 1) < 0.03
    assert (curves.std(0) - 1).abs().max() < 0.1


# Tables and mixing -------------------------------------------------------------------------------------------


def test_smote_moves_rows_towards_near_rows_of_their_class() -> None:
    numbers = torch.randn(120, 2, generator=rng()) * torch.tensor([1.0, 10.0])
    target = torch.arange(120) % 3
    numbers[:, 0] += target * 20
    codes = target[:, None] + 2
    batch = Batch((numbers, codes), (target,))
    made = tables.smote(batch, TABLE, CLASSES, tables.SmoteSpec(share=1.0, n_neighbours=3), rng())
    assert torch.equal(made.inputs[1], codes), "a code of another class came in"
    standard = numbers / torch.tensor([1.0, 10.0])
    for row in range(120):
        moved = made.inputs[0][row] / torch.tensor([1.0, 10.0]) - standard[row]
        same = [i for i in range(120) if target[i] == target[row] and i != row]
        same.sort(key=lambda i: float((standard[i] - standard[row]).square().sum()))
        steps = [(standard[i] - standard[row], moved) for i in same[:3]]
        fits = [float(m @ s / (s @ s)) for s, m in steps if torch.allclose(m, s * (m @ s / (s @ s)), atol=1e-4)]
        assert any(0 <= share <= 1 for share in fits), row


def test_gaps_stay_and_rows_alone_stay() -> None:
    numbers = torch.tensor([[torch.nan, 1.0], [2.0, 3.0], [5.0, 5.0]])
    batch = Batch((numbers, torch.ones(3, 1, dtype=torch.int64)), (torch.tensor([0, 0, 1]),))
    made = tables.smote(batch, TABLE, CLASSES, tables.SmoteSpec(share=1.0), rng()).inputs[0]
    assert made[0, 0].isnan() and made[1, 0] == 2 and 1 < made[0, 1] < 3 and torch.equal(made[2], numbers[2])


def test_mixing_blends_inputs_and_targets_alike() -> None:
    x = torch.randint(0, 256, (64, 5, 4, 3), dtype=torch.uint8, generator=rng())
    values = torch.randn(64, generator=rng())
    target = torch.randint(-1, 3, (64,), generator=rng())
    inputs = (ArrayInput(form="image", columns=("p",)), *TABLE)
    numbers, codes = torch.randn(64, 2, generator=rng()), torch.randint(0, 9, (64, 1), generator=rng())
    numbers[7, 0] = torch.nan
    tasks = (*CLASSES, Task(kind="regression", target="z"))
    batch = Batch((x, numbers, codes), (target, values), torch.rand(64, generator=rng()))
    made = mixing.mix_up(batch, inputs, tasks, mixing.MixSpec(alpha=1.0), rng(1))
    partner = torch.randperm(64, generator=rng(1))
    weight = (made.targets[1] - values) / (values[partner] - values)
    weight = weight.nan_to_num(0.0)
    assert 0.1 < weight.mean() < 0.4 and weight.max() <= 0.5 + 1e-4
    assert ((target >= 0) & (target[partner] >= 0)).logical_not()[weight.abs() < 1e-6].double().mean() > 0.5
    exact = x + weight[:, None, None, None] * (x[partner].float() - x.float())
    assert float((made.inputs[0] - exact).abs().max()) < 0.51
    known = (target >= 0) & (target[partner] >= 0)
    shares = torch.zeros(64, 3)
    for row in known.nonzero().flatten().tolist():
        shares[row, target[row]] += 1 - weight[row]
        shares[row, target[partner[row]]] += weight[row]
    assert torch.allclose(made.targets[0][known], shares[known], atol=1e-4)
    assert torch.equal(made.inputs[2], codes)
    assert made.inputs[1].isnan().sum() == 1 and made.weights is not None
    assert torch.allclose(made.weights, batch.weights + weight * (batch.weights[partner] - batch.weights), atol=1e-5)


def test_cut_mix_cuts_masks_with_pictures() -> None:
    x = torch.arange(30, dtype=torch.uint8).view(30, 1, 1, 1).expand(30, 16, 20, 1)
    mask = torch.arange(30).view(30, 1, 1).expand(30, 16, 20) % 3
    tasks = (*CLASSES, Task(kind="segmentation", target="m", classes=("a", "b", "c")))
    batch = Batch((x,), (torch.arange(30) % 3, mask))
    inputs = (ArrayInput(form="image", columns=("p",)),)
    made = mixing.cut_mix(batch, inputs, tasks, mixing.CutMixSpec(share=1.0), rng())
    assert torch.equal(made.inputs[0][..., 0].long() % 3, made.targets[1])
    for row in range(30):
        shares = torch.bincount(made.targets[1][row].flatten(), minlength=3).float() / 320
        assert torch.allclose(shares, made.targets[0][row], atol=1e-5)
