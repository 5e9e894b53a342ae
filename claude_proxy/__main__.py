"""python -m claude_proxy"""

from claude_proxy.cli import main

if __name__ == "__main__":
    main(prog_name="claude-proxy")
