"""Versions of one scene: which parts of a product's name they share, and which part says that one is newer.

A mission may process what it sensed again and again; the old products mostly stay. Names are of fixed width, so that
places in them are enough, in SQL as well as in Python. What has no such name is left to the columns.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import NamedTuple

#: The first character (from 1) and how many.
Part = tuple[int, int]


class Grammar(NamedTuple):
    """Names of one kind.

    Attributes:
        pattern: what they look like; `?` is one character, `*` any text, `[0-9]` a digit.
        shared: what all versions of a scene have alike: all but dates of processing, baselines, checksums and centres.
        version: what grows from version to version; the publication date decides where it is alike.
    """

    pattern: str
    shared: tuple[Part, ...]
    version: tuple[Part, ...] = ()


_STAMP = "????????T??????"
_DIGITS = {n: "[0-9]" * n for n in (3, 4)}

GRAMMARS = (
    # S2A_MSIL1C_20240116T000741_N0510_R130_T51CVP_20240116T010505: all but baseline and discriminator
    Grammar(f"S2?_MSIL??_{_STAMP}_N????_R???_T?????_*", ((1, 26), (33, 12)), ((29, 4),)),
    # S1A_IW_GRDH_1SDV_20240607T000653_20240607T000718_054210_0697DA_6EE4_COG: all but the checksum
    Grammar(f"S1?_??_????_????_{_STAMP}_{_STAMP}_??????_??????_????*", ((1, 62), (68, 4))),
    # S3A_OL_1_EFR____<start>_<stop>_<made>_0119_002_345_1440_MAR_R_NT_004: in frames; start, cycle, orbit and frame
    Grammar(
        f"S3?_????????????{_STAMP}_{_STAMP}_{_STAMP}_{_DIGITS[4]}_{_DIGITS[3]}_{_DIGITS[3]}_{_DIGITS[4]}_???_?_??_???*",
        ((1, 31), (69, 13)), ((92, 3),),
    ),
    # S3A_SR_2_LAN____…_3017_001_224______LR1_R_NT_003, …_AFRICA____________LN2_O_NT_002: in stripes and tiles
    Grammar(f"S3?_????????????{_STAMP}_{_STAMP}_{_STAMP}_?????????????????_???_?_??_???*", ((1, 47), (65, 17)), ((92, 3),)),
    # S5P_OFFL_L2__NO2____<start>_<stop>_21566_02_020301_<made>: whatever the stream; collection and processor
    Grammar(f"S5P_????_??????????_{_STAMP}_{_STAMP}_?????_??_??????_{_STAMP}*", ((10, 48),), ((59, 9),)),
    # S6A_P4_1B_LR______<start>_<stop>_<made>_3373_157_136_068_EUM__OPE_NT_F09
    Grammar(f"S6?_??????????????{_STAMP}_{_STAMP}_{_STAMP}_????_???_???_???_???*", ((1, 49), (71, 12)), ((96, 3),)),
    # LC08_L1TP_203033_20240601_20240610_02_T1: L1GT may become L1TP, and RT become T1
    Grammar("L???_L???_??????_????????_????????_??_*", ((1, 7), (10, 16)), ((36, 2), (27, 8))),
)  # fmt: skip


def scene(name: str) -> str | None:
    """What the names of all versions of this scene share; None if the name is of no known kind."""
    grammar = _of(name)
    return None if grammar is None else _cut(name, grammar.shared)


def version(name: str) -> str | None:
    """What is the greater, the newer the version; None if the name does not say."""
    grammar = _of(name)
    return _cut(name, grammar.version) if grammar and grammar.version else None


def _of(name: str) -> Grammar | None:
    return next((g for g in GRAMMARS if fnmatchcase(name, g.pattern)), None)


def _cut(name: str, parts: tuple[Part, ...]) -> str:
    return "".join(name[start - 1 : start - 1 + length] for start, length in parts)
