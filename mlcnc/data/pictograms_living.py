"""How the animals and people of pictogram-lt are drawn, three variants each."""

from __future__ import annotations

from mlcnc.data.pen import INK, WHITE, Colour, Pen, shaded

BEAK: Colour = (232, 150, 40)
PINK: Colour = (226, 160, 160)
SKINS: tuple[Colour, ...] = ((244, 208, 178), (222, 176, 138), (176, 124, 88), (112, 76, 54))


def bird(pen: Pen, variant: int) -> None:
    """Perched; in flight; swimming with a long neck."""
    if variant == 0:
        pen.line([(46, 74), (44, 98)], BEAK, 4)
        pen.line([(56, 74), (56, 98)], BEAK, 4)
        pen.polygon([(30, 56), (2, 72), (4, 84), (38, 70)], shaded(pen.main, 0.7))
        pen.oval(24, 36, 76, 80, pen.main)
        pen.oval(56, 10, 86, 42, pen.main)
        pen.polygon([(84, 20), (99, 27), (84, 32)], BEAK)
        pen.oval(32, 46, 60, 68, shaded(pen.main, 0.7))
        pen.eye(73, 22)
    elif variant == 1:
        pen.polygon([(44, 54), (30, 6), (58, 18), (64, 50)], shaded(pen.main, 0.8))
        pen.polygon([(44, 58), (10, 14), (2, 34), (36, 64)], pen.main)
        pen.polygon([(24, 64), (2, 70), (6, 84), (30, 74)], shaded(pen.main, 0.7))
        pen.oval(22, 48, 84, 80, pen.main)
        pen.oval(70, 40, 92, 62, pen.main)
        pen.polygon([(90, 47), (100, 53), (90, 57)], BEAK)
        pen.eye(82, 48)
    else:
        pen.line([(68, 64), (72, 34), (68, 18)], INK, 15)
        pen.line([(68, 64), (72, 34), (68, 18)], WHITE, 10)
        pen.oval(58, 6, 82, 28, WHITE)
        pen.polygon([(80, 14), (99, 20), (80, 24)], BEAK)
        pen.polygon([(4, 44), (30, 56), (22, 76)], WHITE)
        pen.oval(8, 48, 84, 92, WHITE)
        pen.oval(22, 54, 60, 80, shaded(pen.main, 1.0))
        pen.eye(71, 15)


def cat(pen: Pen, variant: int) -> None:
    """Sitting; the face; walking with its tail up."""
    if variant == 1:
        _cat_face(pen, 50, 54, 1.0)
        return
    if variant == 0:
        pen.line([(70, 88), (92, 80), (88, 56)], INK, 11)
        pen.line([(70, 88), (92, 80), (88, 56)], pen.main, 7)
        pen.oval(24, 46, 76, 98, pen.main)
        pen.oval(34, 84, 50, 99, shaded(pen.main, 1.15))
        pen.oval(52, 84, 68, 99, shaded(pen.main, 1.15))
        _cat_face(pen, 50, 30, 0.62)
        return
    pen.line([(16, 62), (6, 34), (16, 8)], INK, 10)
    pen.line([(16, 62), (6, 34), (16, 10)], pen.main, 6)
    for x in (20, 32, 60, 70):
        pen.box(x, 68, x + 8, 97, pen.main, radius=2)
    pen.oval(10, 48, 80, 80, pen.main)
    for x in (28, 40, 52):
        pen.line([(x, 50), (x - 2, 62)], shaded(pen.main, 0.6), 3)
    _cat_face(pen, 76, 38, 0.52)


def _cat_face(pen: Pen, x: float, y: float, size: float) -> None:
    def at(dx: float, dy: float) -> tuple[float, float]:
        return x + dx * size, y + dy * size

    pen.polygon([at(-40, -10), at(-38, -48), at(-8, -28)], pen.main)
    pen.polygon([at(40, -10), at(38, -48), at(8, -28)], pen.main)
    pen.oval(*at(-42, -34), *at(42, 38), pen.main)
    for side in (-1, 1):
        pen.oval(*at(18 * side - 8, -12), *at(18 * side + 8, 8), (220, 220, 110))
        pen.line([at(18 * side, -10), at(18 * side, 6)], INK, 5 * size)
        for dy in (14, 22):
            pen.line([at(12 * side, 16), at(54 * side, dy - 6)], WHITE, 3 * size)
    pen.polygon([at(-6, 10), at(6, 10), at(0, 18)], PINK)


def cow(pen: Pen, variant: int) -> None:
    """Standing with patches; the head with horns; grazing."""
    dark: Colour = (58, 46, 42)
    if variant == 1:
        pen.line([(24, 26), (8, 18), (8, 4)], INK, 10)
        pen.line([(76, 26), (92, 18), (92, 4)], INK, 10)
        pen.line([(24, 26), (8, 18), (8, 6)], (228, 216, 180), 6)
        pen.line([(76, 26), (92, 18), (92, 6)], (228, 216, 180), 6)
        pen.oval(2, 28, 26, 46, dark)
        pen.oval(74, 28, 98, 46, dark)
        pen.polygon([(24, 20), (76, 20), (72, 66), (28, 66)], WHITE)
        pen.patch(24, 22, 46, 56, dark)
        pen.oval(22, 58, 78, 96, PINK)
        for x in (38, 58):
            pen.patch(x - 4, 72, x + 4, 82, INK)
        pen.eye(36, 42, 4)
        pen.eye(64, 42, 4)
        return
    head_y = 24 if variant == 0 else 66
    pen.line([(8, 36), (2, 60), (5, 76)], INK, 4)
    for x in (10, 22, 58, 70):
        pen.box(x, 64, x + 9, 96, WHITE)
        pen.box(x, 88, x + 9, 97, INK)
    pen.oval(30, 62, 50, 80, PINK)
    pen.box(6, 30, 80, 72, WHITE, radius=8)
    pen.patch(12, 32, 34, 54, dark)
    pen.patch(44, 42, 68, 68, dark)
    if variant == 2:
        pen.polygon([(68, 34), (82, 34), (90, 66), (74, 66)], WHITE)
    pen.line([(74, head_y), (72, head_y - 14)], (150, 130, 90), 5)
    pen.line([(88, head_y), (92, head_y - 14)], (150, 130, 90), 5)
    pen.polygon([(70, head_y), (92, head_y), (96, head_y + 26), (78, head_y + 28)], WHITE)
    pen.patch(70, head_y, 82, head_y + 16, dark)
    pen.oval(76, head_y + 16, 99, head_y + 32, PINK)
    pen.eye(85, head_y + 9)


def dog(pen: Pen, variant: int) -> None:
    """Standing; the face with its tongue out; sitting."""
    ear = shaded(pen.main, 0.55)
    if variant == 1:
        pen.oval(20, 10, 80, 78, pen.main)
        pen.oval(4, 12, 28, 72, ear)
        pen.oval(72, 12, 96, 72, ear)
        pen.box(42, 70, 58, 98, (222, 92, 100), radius=7)
        pen.oval(30, 46, 70, 84, shaded(pen.main, 1.35))
        pen.oval(40, 46, 60, 62, INK)
        pen.eye(37, 36, 5)
        pen.eye(63, 36, 5)
        return
    x, y = (62.0, 16.0) if variant == 0 else (44.0, 12.0)
    if variant == 0:
        pen.line([(14, 50), (2, 30)], INK, 9)
        pen.line([(14, 50), (3, 32)], pen.main, 5)
        for leg in (12, 24, 54, 65):
            pen.box(leg, 62, leg + 9, 97, pen.main, radius=2)
        pen.box(8, 44, 76, 72, pen.main, radius=12)
        pen.polygon([(60, 30), (78, 30), (78, 60), (60, 60)], pen.main)
    else:
        pen.line([(20, 88), (4, 78)], INK, 9)
        pen.line([(20, 88), (5, 79)], pen.main, 5)
        pen.polygon([(14, 94), (24, 62), (52, 40), (70, 46), (66, 96)], pen.main)
        pen.box(56, 66, 68, 98, pen.main, radius=3)
        pen.oval(14, 74, 48, 98, pen.main)
    pen.oval(x - 4, y, x + 28, y + 32, pen.main)
    pen.box(x + 16, y + 13, x + 37, y + 30, shaded(pen.main, 1.2), radius=6)
    pen.oval(x + 30, y + 10, x + 40, y + 20, INK)
    pen.oval(x - 8, y + 2, x + 8, y + 36, ear)
    pen.eye(x + 17, y + 11)


def horse(pen: Pen, variant: int) -> None:
    """Standing; galloping; head and neck."""
    mane = shaded(pen.main, 0.4)
    if variant == 2:
        pen.polygon(
            [
                (20, 98),
                (28, 46),
                (46, 14),
                (62, 12),
                (70, 24),
                (96, 60),
                (88, 72),
                (72, 68),
                (62, 58),
                (70, 98),
            ],
            pen.main,
        )
        pen.polygon([(18, 98), (10, 60), (22, 30), (46, 4), (50, 18), (32, 50), (30, 98)], mane)
        pen.polygon([(50, 18), (54, 0), (62, 16)], pen.main)
        pen.eye(64, 32, 4)
        pen.patch(88, 60, 94, 66, INK)
        return
    legs = (
        ([(22, 58), (20, 98)], [(32, 60), (33, 98)], [(58, 60), (58, 98)], [(66, 58), (68, 98)])
        if variant == 0
        else ([(20, 58), (4, 88)], [(30, 60), (18, 94)], [(60, 58), (86, 76)], [(64, 56), (96, 66)])
    )
    for leg in legs:
        pen.line(leg, INK, 9)
        pen.line(leg, pen.main, 5)
    pen.polygon([(16, 44), (2, 52), (1, 82), (10, 84), (14, 58)], mane)
    pen.oval(12, 38, 74, 66, pen.main)
    pen.polygon([(56, 52), (66, 16), (80, 14), (74, 54)], pen.main)
    pen.polygon([(66, 16), (78, 10), (99, 30), (93, 40), (76, 32)], pen.main)
    pen.polygon([(52, 44), (58, 16), (68, 8), (72, 16), (64, 46)], mane)
    pen.polygon([(70, 14), (72, 3), (79, 12)], pen.main)
    pen.eye(80, 21)


def person(pen: Pen, variant: int) -> None:
    """Standing; arms raised; head and shoulders."""
    skin = SKINS[int(pen.rng.integers(len(SKINS)))]
    hair = ((36, 28, 26), (92, 58, 36), (190, 150, 84), (120, 120, 120))[int(pen.rng.integers(4))]
    if variant == 2:
        pen.polygon([(8, 98), (14, 72), (36, 62), (64, 62), (86, 72), (92, 98)], pen.main)
        pen.box(42, 50, 58, 68, skin)
        pen.oval(26, 4, 74, 44, hair)
        pen.oval(29, 12, 71, 60, skin)
        pen.polygon([(29, 26), (36, 8), (64, 8), (71, 26), (50, 18)], hair)
        pen.eye(41, 36, 3)
        pen.eye(59, 36, 3)
        pen.line([(43, 50), (57, 50)], (150, 60, 60), 3)
        return
    trousers = pen.second
    hands = ((22, 62), (78, 62)) if variant == 0 else ((16, 8), (84, 8))
    for x, (hand_x, hand_y) in zip((36, 64), hands, strict=True):
        pen.line([(x, 34), (hand_x, hand_y)], INK, 11)
        pen.line([(x, 34), (hand_x, hand_y)], pen.main, 7)
        pen.oval(hand_x - 5, hand_y - 5, hand_x + 5, hand_y + 5, skin)
    spread = 0 if variant == 0 else 10
    for x, side in ((41, -1), (59, 1)):
        pen.line([(x, 58), (x + side * spread, 96)], INK, 15)
        pen.line([(x, 58), (x + side * spread, 95)], trousers, 11)
    pen.box(33, 28, 67, 64, pen.main, radius=6)
    pen.oval(38, 2, 62, 28, skin)
    pen.polygon([(38, 14), (42, 2), (58, 2), (62, 14), (50, 8)], hair)


def sheep(pen: Pen, variant: int) -> None:
    """Standing; facing; grazing. Wool in curls, dark face and legs."""
    wool: Colour = shaded((236, 232, 220), 0.9 + 0.1 * float(pen.rng.random()))
    face: Colour = (52, 46, 46)
    if variant == 1:
        for x in (34, 58):
            pen.box(x, 80, x + 8, 98, face)
        for x, y in ((30, 30), (50, 22), (70, 30), (20, 52), (80, 52), (30, 74), (50, 80), (70, 74)):
            pen.oval(x - 17, y - 17, x + 17, y + 17, wool)
        pen.patch(22, 28, 78, 80, wool)
        pen.oval(12, 34, 36, 46, face)
        pen.oval(64, 34, 88, 46, face)
        pen.oval(34, 32, 66, 74, face)
        for x in (43, 57):
            pen.patch(x - 4, 44, x + 4, 52, WHITE)
        return
    for x in (20, 32, 54, 64):
        pen.box(x, 70, x + 6, 97, face)
    for x, y in ((20, 46), (36, 38), (54, 38), (68, 46), (22, 62), (40, 68), (58, 66), (70, 60)):
        pen.oval(x - 14, y - 14, x + 14, y + 14, wool)
    pen.patch(16, 38, 74, 70, wool)
    y = 22 if variant == 0 else 60
    pen.oval(64, y + 2, 76, y + 14, face)
    pen.oval(70, y, 96, y + 32, face)
    pen.oval(70, y - 6, 88, y + 8, wool)
    pen.patch(84, y + 9, 90, y + 15, WHITE)
