"""OpenShift Templates: parameters, their substitution, and the objects that come out.

Source of the rules: openshift/library-go, pkg/template/templateprocessing. Reading of files and policies do not belong
here.
"""
