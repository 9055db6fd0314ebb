"""A report of an image set as one HTML file, and the picture of its graph.

`facts` collects what is known, `page` writes it down. Nothing here runs a build or asks a network.
"""
