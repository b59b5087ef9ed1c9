"""The load test: many uploads by all doors at once, while functions are killed and the stack is restarted.

contents   what is sent
patience   requests that are sent again, as a good client does
doors      the ways in, each as its clients walk it
devices    open WebSocket connections of every owner
chaos      functions killed, the stack restarted
checks     what was promised, and whether it held
run        all of it, and the tables
"""
