"""How the vehicles and pieces of furniture of pictogram-lt are drawn, three variants each."""

from __future__ import annotations

from mlcnc.data.pen import GLASS, GREEN, INK, RUBBER, STEEL, WHITE, Pen, shaded


def aeroplane(pen: Pen, variant: int) -> None:
    """From above; an airliner from the side; a biplane with a propeller."""
    if variant == 0:
        pen.polygon([(46, 38), (2, 62), (2, 72), (46, 60)], pen.main)
        pen.polygon([(54, 38), (98, 62), (98, 72), (54, 60)], pen.main)
        pen.polygon([(46, 80), (26, 94), (26, 99), (50, 93), (74, 99), (74, 94), (54, 80)], pen.main)
        pen.oval(42, 2, 58, 96, WHITE)
        pen.patch(46, 7, 54, 16, INK)
    elif variant == 1:
        pen.polygon([(4, 22), (16, 22), (30, 48), (10, 50)], pen.main)
        pen.oval(4, 40, 98, 66, WHITE)
        for x in range(24, 82, 9):
            pen.patch(x, 47, x + 5, 53, INK)
        pen.polygon([(46, 56), (62, 56), (34, 90), (22, 90)], pen.main)
        pen.patch(84, 45, 93, 52, GLASS)
    else:
        pen.polygon([(2, 30), (14, 30), (24, 50), (6, 52)], pen.second)
        pen.polygon([(6, 50), (30, 42), (78, 42), (90, 50), (78, 64), (30, 62)], pen.main)
        pen.box(40, 20, 84, 27, pen.second)
        pen.box(40, 68, 84, 75, pen.second)
        for x in (46, 78):
            pen.line([(x, 26), (x, 70)], INK, 3)
        pen.line([(93, 26), (93, 76)], INK, 5)
        pen.wheel(62, 84, 8)


def bicycle(pen: Pen, variant: int) -> None:
    """A diamond frame; a step-through with a basket; a high-wheeler."""
    if variant == 2:
        pen.ring(60, 55, 36, INK, 5)
        pen.ring(16, 82, 14, INK, 5)
        pen.line([(60, 55), (60, 14), (30, 24), (16, 82)], pen.main, 6)
        pen.line([(52, 10), (72, 8)], INK, 5)
        pen.line([(36, 16), (54, 16)], INK, 6)
        for x, y in ((60, 22), (60, 88), (28, 55), (92, 55)):
            pen.line([(60, 55), (x, y)], STEEL, 2)
        return
    for x in (22, 78):
        pen.ring(x, 68, 20, INK, 5)
        pen.line([(x, 49), (x, 87)], STEEL, 1.5)
        pen.line([(x - 19, 68), (x + 19, 68)], STEEL, 1.5)
    if variant == 0:
        pen.line([(22, 68), (38, 38), (68, 38), (48, 68), (22, 68)], pen.main, 6)
        pen.line([(38, 38), (48, 68)], pen.main, 6)
    else:
        pen.line([(22, 68), (48, 68), (70, 40)], pen.main, 6)
        pen.line([(22, 68), (36, 34), (48, 68)], pen.main, 6)
        pen.box(74, 26, 94, 42, (178, 140, 90))
    pen.line([(78, 68), (68, 30), (80, 26)], pen.main if variant else INK, 5)
    pen.line([(28, 32), (46, 32)], INK, 7)
    pen.ring(48, 68, 5, INK, 4)


def boat(pen: Pen, variant: int) -> None:
    """A sailing boat; a steamer with a funnel; two sails."""
    hull = [(4, 70), (96, 70), (82, 92), (18, 92)]
    if variant == 0:
        pen.line([(48, 6), (48, 72)], INK, 4)
        pen.polygon([(52, 8), (52, 64), (90, 64)], WHITE)
        pen.polygon([(44, 18), (44, 64), (14, 64)], pen.second)
    elif variant == 1:
        pen.box(50, 24, 64, 50, pen.second)
        pen.box(28, 46, 78, 70, WHITE)
        for x in (34, 48, 62):
            pen.patch(x, 53, x + 9, 62, INK)
        pen.oval(56, 4, 76, 18, (190, 190, 190))
    else:
        for x in (32, 64):
            pen.line([(x, 8), (x, 72)], INK, 4)
            pen.polygon([(x - 14, 14), (x + 14, 14), (x + 17, 60), (x - 17, 60)], WHITE)
            pen.line([(x - 15, 37), (x + 15, 37)], pen.second, 4)
    pen.polygon(hull, pen.main)


def bottle(pen: Pen, variant: int) -> None:
    """A wine bottle; a flask with a cap; a drink with a long neck."""
    glass = shaded(pen.main, 0.8)
    if variant == 0:
        pen.polygon([(43, 6), (57, 6), (57, 34), (68, 48), (68, 96), (32, 96), (32, 48), (43, 34)], glass)
        pen.box(33, 58, 67, 82, WHITE)
        pen.box(41, 2, 59, 12, pen.second)
    elif variant == 1:
        pen.box(28, 28, 72, 97, glass, radius=10)
        pen.box(38, 14, 62, 30, glass)
        pen.box(34, 3, 66, 15, pen.second)
        pen.box(29, 50, 71, 76, WHITE)
    else:
        pen.polygon([(44, 4), (56, 4), (58, 46), (66, 60), (66, 97), (34, 97), (34, 60), (42, 46)], glass)
        pen.box(35, 68, 65, 86, pen.second)
        pen.line([(39, 64), (39, 94)], WHITE, 3)


def bus(pen: Pen, variant: int) -> None:
    """One deck from the side; a double-decker; the front."""
    if variant == 2:
        pen.box(16, 6, 84, 88, pen.main, radius=8)
        pen.box(22, 24, 78, 58, GLASS)
        pen.box(30, 10, 70, 20, WHITE)
        pen.line([(50, 24), (50, 58)], INK, 3)
        for x in (26, 66):
            pen.oval(x, 66, x + 9, 75, (250, 236, 160))
        pen.box(20, 86, 34, 97, RUBBER)
        pen.box(66, 86, 80, 97, RUBBER)
        return
    top = 24 if variant == 0 else 6
    pen.box(2, top, 98, 82, pen.main, radius=5)
    rows = (32,) if variant == 0 else (13, 42)
    for y in rows:
        for x in range(8, 78, 18):
            pen.box(x, y, x + 14, y + 20, GLASS)
    pen.box(82, rows[-1], 94, 76, GLASS)
    if variant == 1:
        pen.line([(3, 37), (97, 37)], WHITE, 3)
    else:
        pen.line([(3, 60), (80, 60)], pen.second, 5)
    pen.wheel(22, 84, 11)
    pen.wheel(72, 84, 11)


def car(pen: Pen, variant: int) -> None:
    """A saloon; a round small car; a pick-up."""
    if variant == 0:
        pen.polygon([(22, 50), (34, 28), (66, 28), (82, 50)], GLASS)
        pen.line([(50, 28), (50, 50)], INK, 3)
        pen.polygon([(2, 54), (20, 49), (84, 49), (98, 56), (98, 72), (2, 72)], pen.main)
    elif variant == 1:
        pen.oval(8, 22, 92, 96, pen.main)
        pen.polygon([(26, 46), (34, 30), (48, 28), (48, 48)], GLASS)
        pen.polygon([(53, 48), (53, 28), (66, 31), (76, 48)], GLASS)
        pen.box(2, 58, 98, 74, pen.main, radius=6)
        pen.draw.rectangle((0, 75.5 * pen.scale, 100 * pen.scale, 100 * pen.scale), fill=(0, 0, 0, 0))
    else:
        pen.polygon([(48, 48), (54, 26), (76, 26), (86, 48)], GLASS)
        pen.polygon([(2, 48), (88, 48), (98, 56), (98, 72), (2, 72)], pen.main)
        pen.line([(3, 46), (46, 46)], shaded(pen.main, 0.6), 4)
    pen.oval(90, 57, 98, 64, (250, 236, 160))
    pen.wheel(24, 74, 12)
    pen.wheel(76, 74, 12)


def chair(pen: Pen, variant: int) -> None:
    """A solid back; a slatted back; an office chair on castors."""
    wood = pen.main
    if variant == 2:
        pen.box(30, 4, 72, 44, wood, radius=8)
        pen.line([(51, 44), (51, 56)], INK, 5)
        pen.box(22, 54, 80, 66, wood, radius=5)
        pen.line([(51, 66), (51, 82)], STEEL, 7)
        pen.line([(20, 92), (51, 80), (82, 92)], INK, 5)
        for x in (20, 51, 82):
            pen.patch(x - 5, 89, x + 5, 99, INK)
        return
    for x in (26, 70):
        pen.line([(x, 60), (x, 98)], INK, 8)
        pen.line([(x, 60), (x, 96)], wood, 5)
    for x in (38, 82):
        pen.line([(x, 52), (x, 84)], INK, 7)
        pen.line([(x, 52), (x, 82)], shaded(wood, 0.75), 4)
    if variant == 0:
        pen.polygon([(36, 3), (84, 3), (84, 52), (36, 52)], wood)
    else:
        for y in (8, 24, 40):
            pen.box(36, y, 84, y + 8, wood)
        pen.line([(38, 3), (38, 54)], shaded(wood, 0.7), 5)
        pen.line([(83, 3), (83, 54)], shaded(wood, 0.7), 5)
    pen.polygon([(20, 62), (36, 50), (86, 50), (78, 62)], shaded(wood, 1.2))


def diningtable(pen: Pen, variant: int) -> None:
    """A long table with plates; a cloth; a round table on one foot."""
    wood = pen.main
    if variant == 0:
        for x in (10, 84):
            pen.box(x, 50, x + 7, 92, shaded(wood, 0.7))
        pen.polygon([(18, 30), (82, 30), (98, 54), (2, 54)], wood)
        for x in (26, 58):
            pen.oval(x, 36, x + 18, 47, WHITE)
    elif variant == 1:
        for x in (14, 80):
            pen.box(x, 56, x + 6, 94, shaded(wood, 0.7))
        pen.polygon(
            [(16, 26), (84, 26), (97, 46), (97, 66), (74, 58), (50, 68), (26, 58), (3, 66), (3, 46)], WHITE
        )
        pen.line([(5, 47), (95, 47)], pen.second, 4)
        pen.oval(40, 30, 60, 42, pen.second)
    else:
        pen.box(45, 46, 55, 88, shaded(wood, 0.7))
        pen.oval(26, 82, 74, 95, shaded(wood, 0.7))
        pen.oval(3, 26, 97, 56, wood)
        for x, y in ((18, 34), (64, 34), (41, 28)):
            pen.oval(x, y, x + 18, y + 11, WHITE)


def motorbike(pen: Pen, variant: int) -> None:
    """A road machine; a chopper with a long fork; a scooter."""
    if variant == 2:
        pen.wheel(20, 82, 14)
        pen.wheel(82, 82, 14)
        pen.polygon(
            [
                (6, 66),
                (16, 44),
                (46, 46),
                (50, 74),
                (74, 76),
                (70, 26),
                (80, 24),
                (90, 70),
                (60, 88),
                (34, 82),
            ],
            pen.main,
        )
        pen.box(10, 36, 46, 47, INK, radius=4)
        pen.line([(62, 20), (82, 16)], INK, 5)
        pen.oval(74, 24, 84, 34, (250, 236, 160))
        return
    reach = 80 if variant == 0 else 84
    pen.wheel(20, 76, 18)
    pen.wheel(reach, 76, 17 if variant == 0 else 15)
    pen.line([(reach, 76), (64, 24)], STEEL, 6)
    pen.polygon([(30, 60), (34, 78), (62, 80), (68, 58)], STEEL)
    pen.polygon([(40, 44), (66, 36), (74, 48), (66, 60), (40, 58)], pen.main)
    pen.polygon([(6, 46), (42, 46), (42, 58), (16, 58)], INK)
    pen.line([(2, 82), (52, 82)], (196, 198, 202), 6)
    pen.line([(54, 22), (68, 20)] if variant == 0 else [(46, 12), (62, 16), (66, 26)], INK, 5)
    pen.oval(66, 28, 77, 40, (250, 236, 160))
    if variant == 0:
        pen.polygon([(2, 40), (14, 44), (10, 52)], pen.main)


def pottedplant(pen: Pen, variant: int) -> None:
    """Long leaves; a cactus; a flower."""
    if variant == 0:
        for x, y in ((12, 22), (32, 6), (50, 2), (68, 6), (88, 22)):
            pen.polygon(
                [
                    (46, 64),
                    ((46 + x) / 2 - 7, (64 + y) / 2),
                    (x, y),
                    ((54 + x) / 2 + 7, (64 + y) / 2),
                    (54, 64),
                ],
                GREEN,
            )
    elif variant == 1:
        pen.box(40, 8, 60, 70, GREEN, radius=10)
        pen.box(18, 26, 30, 50, GREEN, radius=6)
        pen.box(24, 42, 42, 52, GREEN, radius=4)
        pen.box(70, 18, 82, 44, GREEN, radius=6)
        pen.box(58, 36, 76, 46, GREEN, radius=4)
    else:
        pen.line([(50, 26), (50, 66)], GREEN, 6)
        pen.polygon([(50, 60), (24, 44), (20, 56)], GREEN)
        pen.polygon([(50, 60), (76, 44), (80, 56)], GREEN)
        for x, y in ((50, 8), (34, 18), (66, 18), (40, 34), (60, 34)):
            pen.oval(x - 11, y - 8, x + 11, y + 10, pen.second)
        pen.oval(42, 14, 58, 30, (240, 204, 70))
    pot = (176, 96, 62) if variant != 1 else pen.main
    pen.polygon([(28, 68), (72, 68), (64, 97), (36, 97)], pot)
    pen.box(24, 62, 76, 72, shaded(pot, 1.15))


def sofa(pen: Pen, variant: int) -> None:
    """Two seats; three rounded seats; a corner piece."""
    dark = shaded(pen.main, 0.75)
    pen.box(10, 86, 17, 96, INK)
    pen.box(83, 86, 90, 96, INK)
    if variant == 0:
        pen.box(12, 22, 88, 70, pen.main, radius=6)
        pen.line([(50, 24), (50, 60)], INK, 2)
        pen.box(14, 58, 86, 88, dark, radius=4)
        pen.line([(50, 58), (50, 88)], INK, 2)
    elif variant == 1:
        for x in (10, 36, 62):
            pen.oval(x, 20, x + 28, 76, pen.main)
        pen.box(12, 58, 88, 88, dark, radius=8)
    else:
        pen.box(8, 22, 92, 66, pen.main, radius=4)
        pen.box(12, 56, 88, 88, dark, radius=3)
        pen.polygon([(22, 34), (40, 30), (44, 52), (26, 56)], pen.second)
        pen.polygon([(60, 30), (78, 34), (74, 56), (56, 52)], pen.second)
    pen.box(2, 44, 17, 90, pen.main, radius=6)
    pen.box(83, 44, 98, 90, pen.main, radius=6)


def train(pen: Pen, variant: int) -> None:
    """A steam engine; a high-speed nose on rails; the front between the rails."""
    if variant == 0:
        for x, y, r in ((70, 6, 6), (58, 4, 5), (46, 8, 4)):
            pen.oval(x - r, y - r + 2, x + r, y + r + 2, (205, 205, 205))
        pen.box(72, 14, 84, 44, INK)
        pen.box(34, 38, 94, 70, pen.main, radius=10)
        pen.box(4, 20, 38, 72, pen.main)
        pen.box(10, 28, 30, 46, GLASS)
        pen.box(0, 14, 42, 22, pen.second)
        pen.polygon([(88, 68), (100, 86), (84, 86)], STEEL)
        for x in (16, 44, 70):
            pen.wheel(x, 80, 12)
        pen.line([(16, 80), (70, 80)], STEEL, 4)
    elif variant == 1:
        pen.polygon([(1, 34), (64, 34), (84, 46), (99, 68), (96, 78), (1, 78)], WHITE)
        pen.line([(2, 66), (96, 66)], pen.main, 8)
        for x in (5, 19, 33, 47):
            pen.box(x, 42, x + 10, 54, GLASS)
        pen.polygon([(64, 42), (76, 48), (84, 56), (64, 56)], INK)
        for x in (10, 24, 62, 78):
            pen.wheel(x, 83, 6)
        pen.line([(0, 91), (100, 91)], INK, 4)
        for x in range(4, 100, 14):
            pen.line([(x, 94), (x + 6, 94)], (120, 90, 66), 5)
    else:
        pen.line([(36, 80), (10, 99)], STEEL, 5)
        pen.line([(64, 80), (90, 99)], STEEL, 5)
        pen.line([(22, 94), (78, 94)], (120, 90, 66), 5)
        pen.polygon([(26, 16), (38, 3), (62, 3), (74, 16), (78, 84), (22, 84)], pen.main)
        pen.polygon([(32, 18), (68, 18), (71, 42), (29, 42)], INK)
        pen.line([(50, 18), (50, 42)], WHITE, 2)
        pen.box(24, 50, 76, 60, (244, 210, 70))
        for x in (29, 61):
            pen.oval(x, 64, x + 10, 74, (250, 244, 200))


def tvmonitor(pen: Pen, variant: int) -> None:
    """A flat screen; a tube with an antenna; a monitor with a keyboard."""
    glow = shaded(pen.second, 1.1)
    if variant == 0:
        pen.box(44, 70, 56, 88, INK)
        pen.box(26, 86, 74, 94, INK, radius=3)
        pen.box(2, 10, 98, 72, RUBBER, radius=3)
        pen.box(8, 16, 92, 65, glow)
        pen.polygon([(12, 20), (34, 20), (16, 46), (12, 46)], WHITE)
    elif variant == 1:
        pen.line([(26, 2), (50, 24), (74, 2)], STEEL, 4)
        pen.box(4, 22, 96, 90, pen.main, radius=8)
        pen.box(11, 30, 72, 82, glow, radius=12)
        for y in (36, 50):
            pen.oval(78, y, 90, y + 11, INK)
        pen.line([(18, 90), (14, 98)], INK, 5)
        pen.line([(82, 90), (86, 98)], INK, 5)
    else:
        pen.box(12, 2, 88, 62, WHITE, radius=3)
        pen.box(18, 8, 82, 54, glow)
        for y in (18, 28, 38):
            pen.line([(24, y), (24 + 40 * (y % 20 + 20) / 40, y)], WHITE, 4)
        pen.box(43, 60, 57, 74, STEEL)
        pen.polygon([(14, 78), (86, 78), (96, 96), (4, 96)], (206, 206, 206))
        for y in (83, 90):
            pen.line([(16, y), (84, y)], INK, 2)
