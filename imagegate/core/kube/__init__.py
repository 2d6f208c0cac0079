"""Go's and Kubernetes' idioms: quoting, field errors, Status objects, label selectors, strict JSON.

The ground floor of core: nothing here knows images or policies, and nothing here imports another room.
"""
