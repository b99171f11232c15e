import { createElement, options } from 'preact'
import { expect, it } from 'vitest'
import { showHidden } from './visible.ts'

it('every text and title of a page shows the characters that would hide or reorder it (attack E22)', () => {
  const before: unknown = Reflect.get(options, 'vnode')
  showHidden()
  try {
    // As Preact makes a text's node.
    const text = { type: null, props: 'a\u202Eb\u0085\r\n\tc' }
    options.vnode!(text as never)
    expect(text.props).toBe('a\\u202eb\\u0085\n\tc')
    expect(createElement('p', { title: 'x\u2066', class: 'y' }).props).toMatchObject({ title: 'x\\u2066', class: 'y' })
    // What the user edits stays as it is.
    expect(createElement('textarea', { value: 'x\u2066' }).props).toMatchObject({ value: 'x\u2066' })
  } finally {
    options.vnode = before as never
  }
})
