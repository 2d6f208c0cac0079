"""imagegate behind a real kube-apiserver."""
