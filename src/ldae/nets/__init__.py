"""The networks: noise predictor, gradient estimator, semantic encoder, autoencoder."""
