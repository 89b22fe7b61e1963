#!/bin/bash
update_progress 0
for ((i = 1; i <= 4; i++)); do
    update_progress $((i * 25)) "Part $i of 4, that's $((i * 25))%"
done
echo finished
