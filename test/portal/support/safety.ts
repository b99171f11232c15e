import type { Page } from 'playwright-core'

/** What happens to a script that is written into the page. */
export async function writeScript(page: Page): Promise<'trusted types' | 'ran' | 'did not run'> {
  return await page.evaluate(() => {
    const script = document.createElement('script')
    try {
      script.text = 'globalThis.ran = true'
    } catch {
      return 'trusted types'
    }
    document.body.append(script)
    return 'ran' in globalThis ? 'ran' : 'did not run'
  })
}

/** What happens to text that is inserted as markup, with an event handler in it. */
export async function writeMarkup(page: Page): Promise<'trusted types' | 'became markup'> {
  return await page.evaluate(() => {
    try {
      document.createElement('p').innerHTML = '<b>bold</b>'
    } catch {
      return 'trusted types'
    }
    return 'became markup'
  })
}

/** Whether a page of another origin can frame the portal. */
export async function isFramed(page: Page, origin: string): Promise<boolean> {
  await page.goto('about:blank')
  const loaded = page.waitForEvent('framenavigated', (frame) => frame.parentFrame() !== null)
  await page.setContent(`<iframe src="${origin}/"></iframe>`)
  await (await loaded).waitForLoadState('load')
  for (const frame of page.frames().slice(1)) if (frame.url().startsWith(origin)) return true
  return false
}

/** What the browser stores where scripts can read it: storage of the page's origin, and cookies. */
export async function keptByBrowser(page: Page): Promise<string> {
  return await page.evaluate(async () => {
    const databases = (await indexedDB.databases()).map(({ name }) => name)
    const stored = [localStorage, sessionStorage].flatMap((each) => Object.entries(each))
    return JSON.stringify([...stored, databases, document.cookie, history.state, location.href])
  })
}

/** A token, or part of one, in a text. */
export const tokenForm = /eyJ[A-Za-z0-9_-]{8}/
