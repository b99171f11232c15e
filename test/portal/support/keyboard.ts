import type { Page } from 'playwright-core'
import { expect } from 'vitest'

/** A user without a pointer. */
export class Keyboard {
  readonly #page: Page

  constructor(page: Page) {
    this.#page = page
  }

  /** Presses Tab until the element with this role and name has the focus. Each stop on the way shows the focus. */
  async tabTo(role: 'button' | 'link' | 'textbox' | 'combobox' | 'file' | 'summary', name: RegExp): Promise<void> {
    for (let step = 0; step < 200; step += 1) {
      await this.#page.keyboard.press('Tab')
      const stop = await this.#page.evaluate(focused)
      if (stop === undefined) continue
      expect(stop.shown, `no sign of the focus at ${stop.role} ${stop.name}`).toBe(true)
      if (stop.role === role && name.test(stop.name)) return
    }
    throw new Error(`no ${role} ${name.source} was reached by Tab`)
  }

  /** Tab to it, then Enter. */
  async open(role: 'button' | 'link' | 'summary', name: RegExp): Promise<void> {
    await this.tabTo(role, name)
    await this.#page.keyboard.press('Enter')
  }

  /** Tabs to a text field, and replaces its text. */
  async write(name: RegExp, text: string): Promise<void> {
    await this.tabTo('textbox', name)
    await this.#page.keyboard.press('ControlOrMeta+A')
    await this.#page.keyboard.insertText(text)
  }

  /** Tabs to a choice, and selects the option that begins so. */
  async choose(name: RegExp, beginning: string): Promise<void> {
    await this.tabTo('combobox', name)
    await this.#page.keyboard.type(beginning)
  }

  /** Tabs to a file input, and gives it these files. */
  async give(name: RegExp, files: { name: string; mimeType: string; buffer: Buffer }[]): Promise<void> {
    await this.tabTo('file', name)
    // Chromium does not open it if more than 5 s pass from the key press to the page (user activation), which happens on a busy machine.
    for (let press = 1; ; press += 1) {
      const opened = this.#page.waitForEvent('filechooser', { timeout: 20_000 }).catch(() => undefined)
      await this.#page.keyboard.press('Space')
      const chooser = await opened
      if (chooser !== undefined) return await chooser.setFiles(files)
      if (press === 3) throw new Error(`no file can be chosen at ${name.source}`)
    }
  }

  /** Everything that can be pressed, edited or scrolled is reached by Tab, from the top. @returns what is not */
  async unreached(): Promise<string[]> {
    await this.#page.evaluate(() => {
      ;(document.activeElement as HTMLElement | null)?.blur()
      getSelection()?.setPosition(document.body, 0)
    })
    const wanted = await this.#page.evaluate(marked)
    const reached = new Set<string>()
    for (let step = 0; step < wanted.length + 20 && reached.size < wanted.length; step += 1) {
      await this.#page.keyboard.press('Tab')
      const mark = await this.#page.evaluate(() => document.activeElement?.getAttribute('data-stop') ?? '')
      if (mark !== '') reached.add(mark)
    }
    return wanted.filter((mark) => !reached.has(mark))
  }
}

/** In the page: marks each element that reacts to a pointer, and names the marks. */
function marked(): string[] {
  const all = document.querySelectorAll<HTMLElement>(
    'a[href], button:not([disabled]), input:not([disabled]), select:not([disabled]), textarea, summary, [tabindex="0"]',
  )
  return [...all]
    .filter((each) => each.checkVisibility({ visibilityProperty: true }) && each.getClientRects().length > 0)
    .map((each, index) => {
      const mark = `${index} ${each.tagName} ${(each.getAttribute('aria-label') ?? each.textContent).slice(0, 40)}`
      each.setAttribute('data-stop', mark)
      return mark
    })
}

/** In the page: which element has the focus, and whether that is visible. */
function focused(): { role: string; name: string; shown: boolean } | undefined {
  const at = document.activeElement as HTMLElement | null
  if (at === null || at === document.body) return undefined
  const tag = at.tagName.toLowerCase()
  const input = at instanceof HTMLInputElement ? (at.type === 'file' ? 'file' : 'textbox') : undefined
  const role = input ?? { a: 'link', button: 'button', textarea: 'textbox', select: 'combobox' }[tag] ?? tag
  const labels = 'labels' in at ? [...((at as HTMLInputElement).labels ?? [])].map((each) => each.textContent) : []
  const name = at.getAttribute('aria-label') ?? (labels.length > 0 ? labels.join(' ') : at.textContent)
  const { outlineStyle, outlineWidth } = getComputedStyle(at)
  return { role, name: name.trim(), shown: outlineStyle !== 'none' && Number.parseFloat(outlineWidth) > 0 }
}
