"""The answer parser against answers that a person has read."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eyechart.templates import Parsed, load_lexicon, parse
from eyechart.templates.parse import STATUSES

LABELS = ("blur", "noise", "brightness", "compression", "contrast", "colorfulness", "jitter", "clean")
LEXICON = load_lexicon()

READ_BY_HAND: list[tuple[str, str]] = [
    # one word
    ("Blur", "blur"),
    ("noise.", "noise"),
    ("**Brightness**", "brightness"),
    ("COMPRESSION", "compression"),
    ("Contrast\n", "contrast"),
    (" colorfulness", "colorfulness"),
    ("Colourfulness.", "colorfulness"),
    ("`jitter`", "jitter"),
    ("Clean", "clean"),
    ("Blurriness", "blur"),
    ("Blurry.", "blur"),
    ("Grainy", "noise"),
    ("Graininess.", "noise"),
    ("Underexposed", "brightness"),
    ("Overexposure", "brightness"),
    ("Dark", "brightness"),
    ("JPEG", "compression"),
    ("Oversaturation", "colorfulness"),
    ("Color", "colorfulness"),
    ("None", "clean"),
    ("None.", "clean"),
    ("“Blur”", "blur"),
    # a sentence
    ("The image is blurry.", "blur"),
    ("The main distortion in this image is blur.", "blur"),
    ("The photo looks out of focus.", "blur"),
    ("The image isn't sharp.", "blur"),
    ("It isnt noisy", "unparsed"),
    ("The image is not sharp.", "blur"),
    ("It suffers from motion blur.", "blur"),
    ("There is a lot of film grain.", "noise"),
    ("I see salt-and-pepper noise all over the picture.", "noise"),
    ("The image is too dark.", "brightness"),
    ("It is over-exposed.", "brightness"),
    ("There are visible JPEG artifacts around the edges.", "compression"),
    ("Blocking artefacts from strong compression.", "compression"),
    ("Mosquito noise", "compression"),
    ("The contrast is low.", "contrast"),
    ("The picture lacks contrast.", "contrast"),
    ("The colors are oversaturated.", "colorfulness"),
    ("A strong colour cast.", "colorfulness"),
    ("Pixels are randomly displaced: jitter.", "jitter"),
    ("The image has a noise distortion.", "noise"),
    ("No doubt this is noise.", "noise"),
    # no distortion at all
    ("No distortion", "clean"),
    ("There is no distortion in this image.", "clean"),
    ("There are no visible artifacts.", "clean"),
    ("The image is free of artifacts.", "clean"),
    ("I don't see any noticeable distortion.", "clean"),
    ("The image is not distorted.", "clean"),
    ("The quality of the evaluated image is quite good without any distortion.", "clean"),
    ("Distortion-free", "clean"),
    ("The image is clear.", "clean"),
    ("Distortion: none", "clean"),
    ("I'm sorry, but I can't see any distortion.", "clean"),
    ("The image has no image quality issues.", "clean"),
    ("No noise, no blur, no artifacts.", "clean"),
    # denials
    ("not blurry", "unparsed"),
    ("No noise", "unparsed"),
    ("There is no noise in the image.", "unparsed"),
    ("Noise-free", "unparsed"),
    ("Noise is not the issue.", "unparsed"),
    ("Blur: no", "unparsed"),
    ("The image is not clean.", "unparsed"),
    ("Blur is not the main distortion.", "unparsed"),
    ("Neither blur nor noise.", "unparsed"),
    ("There are no issues with noise.", "unparsed"),
    ("Not clean: blur", "blur"),
    ("There is no noise and the image is sharp.", "unparsed"),
    ("The image is not blurry but noisy.", "noise"),
    ("It isn't blurry; it has blocking artifacts.", "compression"),
    ("Noise, not blur.", "noise"),
    ("Noise rather than blur.", "noise"),
    ("Instead of noise, there is blur.", "blur"),
    ("No distortion except slight noise.", "noise"),
    ("There is no blur, but the image is too dark.", "brightness"),
    ("The image isn't just noisy.", "noise"),
    # several
    ("Blur and noise", "several"),
    ("blur, noise, brightness, compression, contrast, colorfulness, jitter, clean", "several"),
    ("The image is blurry and pixelated.", "several"),
    ("It could be blur or jitter.", "several"),
    ("Not only blurry but also noisy.", "several"),
    # off the list
    ("Pixelation", "off-list"),
    ("Chromatic aberration.", "off-list"),
    ("The image shows lens flare.", "off-list"),
    ("Vignetting, no blur", "off-list"),
    ("Low-resolution", "off-list"),
    ("Sharpness", "off-list"),
    # refusals
    ("I cannot determine the distortion.", "refusal"),
    ("I'm sorry, I can't assist with that.", "refusal"),
    ("As an AI language model, I cannot view images.", "refusal"),
    ("Please provide the image so that I can check it for noise or blur.", "refusal"),
    ("I can't tell whether the image is blurry.", "refusal"),
    ("I don't know what the distortion is.", "refusal"),
    ("I do not see any image.", "refusal"),
    ("It is difficult to say if it is noise, or blur", "refusal"),
    ("I cannot determine the cause, but the image is blurry.", "blur"),
    ("Not sure, maybe noise.", "noise"),
    # nothing
    ("", "empty"),
    ("  \n\t", "empty"),
    ("...", "empty"),
    ("?!", "empty"),
    # nothing that can be placed
    ("Yes", "unparsed"),
    ("Lack of detail", "unparsed"),
    ("Distortion", "unparsed"),
    ("A dark dog runs over a clear lawn.", "unparsed"),
    ("A noisemaker on a contrastless wall", "unparsed"),
    ("unblurred", "unparsed"),
    ("The colorful parrot sits on a branch.", "unparsed"),
    # JSON and tags
    ('{"distortion_class": "noise", "severity": "slight"}', "noise"),
    ('```json\n{"distortion_class": "blur", "severity": "obvious"}\n```', "blur"),
    ('{"distortion_class": null, "severity": null}', "clean"),
    ('{"distortion_class": "null", "severity": "null"}', "clean"),
    ('{"blur": false, "noise": true}', "noise"),
    ('{"distortions": ["blur", "noise"]}', "several"),
    ('{"distortions": []}', "clean"),
    ('{"distortion_class": "jitter", "sever', "jitter"),
    ('{"answer": "Pixelation"}', "off-list"),
    ("<think>It might be noise or blur.</think><answer>compression</answer>", "compression"),
    ("<think>The edges are soft, so blur. Wait, noise", "unparsed"),
    # reasoning before the answer, explanation after it
    ("There is some grain and the edges are soft. Answer: noise", "noise"),
    ("Options: blur, noise, clean. The answer is blur.", "blur"),
    ("First I check blur. It is fine. Then noise. Final answer: **contrast**", "contrast"),
    ("Answer: noise\nExplanation: there is no blur and little compression.", "noise"),
    ("Answer: not blur", "unparsed"),
    ("Is it blur? No. Is it noise? Yes, there is noise.", "noise"),
    ("Which word fits best: blur, noise, clean? Blur", "blur"),
    ("Blur?", "blur"),
    (r"So the result is $\boxed{\text{jitter}}$", "jitter"),
    ("The main distortion in this image is noise, although there is slight blur.", "noise"),
    ("The most noticeable distortion is compression. The contrast is fine.", "compression"),
]


@pytest.mark.parametrize(("text", "expected"), READ_BY_HAND)
def test_answers_read_by_hand(text: str, expected: str) -> None:
    found = parse(text, LABELS, LEXICON)
    if expected in LABELS:
        assert found == Parsed("label", (expected,))
    else:
        assert found.status == expected


def test_several_names_its_labels_in_the_order_of_the_exam() -> None:
    assert parse("noise and blur", LABELS, LEXICON).labels == ("blur", "noise")


def test_labels_that_the_exam_does_not_have_are_off_list() -> None:
    assert parse("noise", ("blur", "compression"), LEXICON) == Parsed("off-list", ())
    assert parse("no distortion", ("blur", "compression"), LEXICON) == Parsed("off-list", ())


def test_an_own_label_beats_the_lexicon() -> None:
    assert parse("Grain", ("grain", "noise"), LEXICON) == Parsed("label", ("grain",))
    assert parse("pixelation", ("pixelation", "noise"), LEXICON) == Parsed("label", ("pixelation",))
    assert parse("a white_noise pattern", ("white noise", "noise"), LEXICON) == Parsed(
        "label", ("white noise",)
    )


PHRASES = st.sampled_from([(" ".join(phrase), label) for phrase, label in LEXICON.words])


@given(PHRASES)
def test_every_phrase_of_the_lexicon_means_its_label(pair: tuple[str, str]) -> None:
    assert parse(pair[0], LABELS, LEXICON) == Parsed("label", (pair[1],))


@given(
    st.lists(st.from_regex(r"[a-z]{2,12}", fullmatch=True), min_size=1, max_size=9, unique=True), st.data()
)
def test_a_label_alone_is_that_label(labels: list[str], data: st.DataObject) -> None:
    label = data.draw(st.sampled_from(labels))
    decorated = data.draw(st.sampled_from(["{}", "{}.", " {}\n", "**{}**", '"{}"'])).format(label)
    assert parse(decorated.upper(), labels, LEXICON) == Parsed("label", (label,))


@pytest.mark.parametrize("label", [*LABELS, "no", "just", "but", "not sharp", "gaussian blur"])
@pytest.mark.parametrize(
    "wording", ["{}", "{}.", "  {}\n", "**{}**", "<answer>{}</answer>", '{{"answer": "{}"}}']
)
def test_a_label_alone_is_that_label_in_every_wrapping(label: str, wording: str) -> None:
    assert parse(
        wording.format(label), (*LABELS, "no", "just", "but", "not sharp", "gaussian blur"), LEXICON
    ) == Parsed("label", (label,))


@given(
    PHRASES,
    st.sampled_from(["not {}", "no {}", "without {}", "It is not {}.", "There isn't any {}", "never {}"]),
)
def test_a_denied_label_is_never_that_label(pair: tuple[str, str], wording: str) -> None:
    phrase, label = pair
    assert label not in parse(wording.format(phrase), LABELS, LEXICON).labels


FRAGMENTS = [
    "blur",
    "noise",
    "no",
    "not",
    "but",
    "distortion",
    "the image is",
    ",",
    ".",
    ";",
    "isn't",
    "I cannot tell",
]


@given(
    st.lists(st.sampled_from([*FRAGMENTS, "answer:", "{", "}", "null", "<think>", "rather than", "free of"]))
)
@settings(max_examples=200)
def test_case_and_blanks_change_nothing(pieces: list[str]) -> None:
    plain = parse(" ".join(pieces), LABELS, LEXICON)
    assert parse("  " + " \t ".join(pieces).replace(" ", "  ").upper() + "\n", LABELS, LEXICON) == plain


@given(
    st.one_of(
        st.text(),
        st.lists(st.sampled_from(FRAGMENTS)).map(" ".join),
        st.text().map(lambda t: f'{{"answer": {t}'),
    )
)
@settings(max_examples=300)
def test_never_raises_and_keeps_its_promise(text: str) -> None:
    found = parse(text, LABELS, LEXICON)
    assert found.status in STATUSES
    assert len(found.labels) == 1 if found.status == "label" else True
    assert found.labels == () or found.status in ("label", "several")
    assert set(found.labels) <= set(LABELS)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.lists(inner), max_leaves=5
)


@given(st.dictionaries(st.sampled_from(["answer", "label", "severity", "blur", ""]), JSON))
def test_any_json_is_read_without_a_fault(value: dict[str, object]) -> None:
    assert parse(json.dumps(value), LABELS, LEXICON).status in STATUSES
