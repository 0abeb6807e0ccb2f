"""From a running cluster and a target to a proven rolling upgrade that is carried out and can always go back."""
