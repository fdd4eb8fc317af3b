"""Where turnfold meets the Anthropic SDK: middleware, request attempts, response tap."""
