#!/bin/bash
echo "An ordinary line"
write_verbose "Hidden, unless somebody looks"
write_highlight "Deployed at 10:00"
write_wait "Waiting for the load balancer"
write_warning "The disk is nearly full"
>&2 echo "A line of standard error"
echoerror() { echo "$@" 1>&2; }
echoerror "Another" "one"
