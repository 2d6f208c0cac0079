"""Kubernetes' and OpenShift's own rules for the kinds of the dry cluster: defaults, and what makes an object invalid.

Not here: verdicts about images, and the kinds of image.openshift.io.
"""
