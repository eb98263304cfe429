"""How do the classes lie to each other: angles to the simplex ETF, spread within a class, shared images?"""
