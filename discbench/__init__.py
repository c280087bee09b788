"""discbench: how well does a pretrained model learn a discipline it never saw?"""
