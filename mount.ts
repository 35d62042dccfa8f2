#!/usr/bin/env node
/** The command `oatomic`, also as mount(8) calls it. Everything else is loaded when it is needed. */
import { main } from './src/cli/main.ts'

process.exitCode = await main(process.argv.slice(2))
