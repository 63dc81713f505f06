"""The desired state of a deployment, and the observed state of the device."""
