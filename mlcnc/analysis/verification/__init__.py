"""Does what a run logged follow from what it stored?"""
