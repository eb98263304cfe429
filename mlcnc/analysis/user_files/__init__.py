"""What is in a file that a user gives: features, names of classes, word vectors?"""
