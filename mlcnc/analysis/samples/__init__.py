"""Where do the sampled features lie: maps in two dimensions, and which classes they are near?"""
