"""How did a metric move over the epochs, and how far is a run that is still going?"""
