#!/bin/bash
# Messages written by hand, as scripts do that were made before there were functions for it.
encode() { printf '%s' "$1" | base64 -w0; }
echo "##octopus[setVariable name='$(encode "Build")' value='$(encode "17")']"
echo "##octopus[setVariable name='$(encode_servicemessagevalue "Key")' value='$(encode_servicemessagevalue "s3cr3t key")' sensitive='$(encode True)']"
long=$(seq -s ' ' 100)
echo "##octopus[setVariable name='$(encode "Long")' value='$(printf '%s' "$long" | base64)']"
echo "##octopus[stderr-progress]"
echo "noise of a tool" >&2
echo "##octopus[stderr-default]"
echo "##octopus[progress percentage='$(encode 50)' message='$(encode "Half way")']"
echo "decoded: $(decode_servicemessagevalue "$(encode "back again")")"
