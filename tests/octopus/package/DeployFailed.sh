#!/bin/bash
write_warning "It failed: tidying up"
