#!/bin/bash
new_octopusartifact "version.txt"
