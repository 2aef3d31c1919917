"""Which references show the same scene: the 165 of LIVE, CSIQ, TID2013 and KADID-10k are 146 contents.

LIVE took 19 of its references from the Kodak PhotoCD set, TID2008 and TID2013 all 24 of it (cut to 512 x 384
pixels) and one picture of their own. CSIQ and KADID-10k share none that is known. Found by comparing the
pictures: LIVE's landscapes have Kodak's pixels but for the last row, its portraits are resized to 480 x 720;
six references of TID were compared and are exact crops of the Kodak picture of the same number.
"""

from __future__ import annotations

from collections.abc import Mapping

from eyechart.corpora import csiq, live

_KODAK_IN_LIVE = {
    "caps": 3,
    "womanhat": 4,
    "bikes": 5,
    "sailing1": 6,
    "buildings": 8,
    "sailing2": 9,
    "sailing3": 10,
    "sailing4": 11,
    "stream": 13,
    "rapids": 14,
    "ocean": 16,
    "statue": 17,
    "woman": 18,
    "lighthouse": 19,
    "plane": 20,
    "lighthouse2": 21,
    "house": 22,
    "parrots": 23,
    "paintedhouse": 24,
}
_TID = ("tid2008", "tid2013")


def content_of(corpus: str, reference: str) -> str:
    """Return the content of a reference: one name for one scene, in whichever corpora it occurs.

    Args:
        corpus: "live", "tid2013", ...
        reference: the reference's image_id; the picture's own where the corpus has no references.

    Returns:
        "kodak/kodim03" for scenes of the Kodak set, "tid/I25" for TID's own picture, else
        "<corpus>/<reference>".
    """
    if corpus == "live" and reference in _KODAK_IN_LIVE:
        return _kodak(_KODAK_IN_LIVE[reference])
    if corpus in _TID and reference in _TID_REFERENCES:
        return _TID_REFERENCES[reference]
    return f"{corpus}/{reference}"


def _kodak(number: int) -> str:
    return f"kodak/kodim{number:02}"


_TID_REFERENCES = {f"I{number:02}": _kodak(number) for number in range(1, 25)} | {"I25": "tid/I25"}

POOLS: Mapping[str, tuple[str, ...]] = {
    "live and tid": tuple(sorted(map(_kodak, _KODAK_IN_LIVE.values()))),
    "tid": tuple(sorted(set(_TID_REFERENCES.values()) - set(map(_kodak, _KODAK_IN_LIVE.values())))),
    "live": tuple(f"live/{name}" for name in live.REFERENCES if name not in _KODAK_IN_LIVE),
    "csiq": tuple(f"csiq/{name}" for name in csiq.REFERENCES),
    "kadid10k": tuple(f"kadid10k/I{number:02}" for number in range(1, 82)),
}
"""All contents of the corpora, by the corpora that they occur in."""
