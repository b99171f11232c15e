import { writeFileSync } from 'node:fs'
import { readRecords, renderWorksWith, worksWithPath } from './support/works-with.ts'

writeFileSync(worksWithPath, renderWorksWith(readRecords()))
