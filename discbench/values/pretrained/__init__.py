"""Models whose name says how they are made: `pretrain:CORPUS[@SHAPE]`.

Others take `names`. Uses nothing but `values`.
"""
