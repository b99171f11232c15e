import type { Page } from 'playwright-core'
import { expect } from 'vitest'

/** A script, in text that another principal may write. */
export const markup = '<img src=x onerror=globalThis.hacked=1>'
/** Reverses the direction of all text after it: RIGHT-TO-LEFT OVERRIDE. */
export const rightToLeft = 'a\u202Egnp.exe'
export const long = 'W'.repeat(10_000)

/**
 * Checks that the page shows others' text as text: none of it became an element, no script ran, and no direction mark
 * affects text outside its element. Details are opened first.
 */
export async function expectText(page: Page): Promise<void> {
  expect(await faultsOf(page)).toEqual([])
}

/** Where others' text became more than text. Runs in the page. */
export async function faultsOf(page: Page): Promise<string[]> {
  return await page.evaluate(() => {
    for (const details of document.querySelectorAll('details')) details.open = true
    const faults: string[] = []
    if ('hacked' in globalThis) faults.push('a script of others ran')
    for (const element of document.querySelectorAll('img, [onerror], iframe, object, embed, base, form[action]'))
      if (!element.matches('.brand > img')) faults.push(`an element of others: ${element.outerHTML.slice(0, 100)}`)
    const marks = /[\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]/
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
    for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
      if (!marks.test(node.textContent ?? '')) continue
      if (!isolated(node))
        faults.push(`a mark of direction reaches further: ${node.parentElement?.outerHTML.slice(0, 160)}`)
    }
    return faults

    /** Alone in a block, in an isolating inline element, or in a control, whose text the browser isolates. */
    function isolated(text: Node): boolean {
      for (let at = text.parentElement; at !== null; at = at.parentElement) {
        if (at.matches('textarea, option, select, title')) return true
        const { unicodeBidi, display } = getComputedStyle(at)
        if (display !== 'inline') return at.textContent === text.textContent
        if (/isolate|plaintext/.test(unicodeBidi)) return true
      }
      return false
    }
  })
}
