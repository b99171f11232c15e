import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { releaseNotes } from '../../scripts/release-notes.ts'

const text = '# Changelog\n\n## Unreleased\n- one\n- two\n\n## 0.1.0\n- three\n'

describe('release notes', () => {
  it('are the entries of the first chapter, or of the version that is named', () => {
    expect(releaseNotes(text)).toEqual(['one', 'two'])
    expect(releaseNotes(text, '0.1.0')).toEqual(['three'])
  })

  it('are refused for a version that the changelog does not have', () => {
    expect(() => releaseNotes(text, '0.1')).toThrow('CHANGELOG.md has no chapter 0.1')
    expect(() => releaseNotes('')).toThrow('CHANGELOG.md has no chapter at all')
  })

  it("are there for the repository's next release", () => {
    const changelog = readFileSync(join(resolve(import.meta.dirname, '../..'), 'CHANGELOG.md'), 'utf8')
    expect(releaseNotes(changelog).length).toBeGreaterThan(0)
  })
})
