"""What Flyte 1's back end asks for beyond the services of Flyte 2.

messages.py   the messages and services of flyteidl, from that package where it is installed
agents.py     the connectors, as Flyte 1 lists them
services.py   the handlers: SyncAgentService, and AgentMetadataService with `is_sync`
"""
