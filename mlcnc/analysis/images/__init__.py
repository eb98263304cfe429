"""What was seen in an image: its picture or photograph, where a class looked, what was found or missed?"""
