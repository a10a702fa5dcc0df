//! What a patient or reader does, over the chain and the agents
