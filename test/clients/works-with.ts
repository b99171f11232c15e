import { readFileSync, writeFileSync } from 'node:fs'
import { compatibilityPath, readRecords, withWorksWith } from './support/works-with.ts'

writeFileSync(compatibilityPath, withWorksWith(readFileSync(compatibilityPath, 'utf8'), readRecords()))
