// A server of static files, so that pages have an origin.

import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';

const TYPES = { '.html': 'text/html; charset=utf-8', '.mjs': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8' };

// Serves what lies below the folder; returns its origin, and how to end it.
export async function serveFiles(folder) {
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost'); // has no ".." any more
    const type = TYPES[extname(pathname)];
    try {
      if (!type) throw new Error('no such type');
      const body = await readFile(join(folder, pathname));
      // A page that may be stored may be kept alive, with its connections, when the browser goes to another.
      const cache = type.startsWith('text/html') ? 'no-store' : 'max-age=3600';
      response.writeHead(200, { 'Content-Type': type, 'Cache-Control': cache }).end(body);
    } catch {
      response.writeHead(404, { 'Content-Type': 'text/plain' }).end('not found\n');
    }
  });
  await new Promise((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    end: () => new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    }),
  };
}
