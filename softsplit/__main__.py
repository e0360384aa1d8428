"""python -m softsplit"""

from softsplit.cli import main

main()
