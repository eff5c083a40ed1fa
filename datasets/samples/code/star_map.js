// Draws the brighter stars above the horizon as an SVG, for a place and an hour.
import { readFileSync, writeFileSync } from "node:fs";

const RADIANS = Math.PI / 180;

function julianDay(date) {
  return date.getTime() / 86400000 + 2440587.5;
}

// Local sidereal time in degrees; good to a tenth of a degree for a century around 2000.
function siderealDegrees(date, longitude) {
  const days = julianDay(date) - 2451545.0;
  const degrees = 280.46061837 + 360.98564736629 * days + longitude;
  return ((degrees % 360) + 360) % 360;
}

function horizontal({ ra, dec }, latitude, sidereal) {
  const hour = (sidereal - ra * 15) * RADIANS;
  const [d, l] = [dec * RADIANS, latitude * RADIANS];
  const altitude = Math.asin(Math.sin(d) * Math.sin(l) + Math.cos(d) * Math.cos(l) * Math.cos(hour));
  const azimuth = Math.atan2(-Math.cos(d) * Math.sin(hour), Math.sin(d) * Math.cos(l) - Math.cos(d) * Math.sin(l) * Math.cos(hour));
  return { altitude: altitude / RADIANS, azimuth: (azimuth / RADIANS + 360) % 360 };
}

function project({ altitude, azimuth }, radius) {
  const r = radius * Math.tan(((90 - altitude) * RADIANS) / 2);
  return { x: -r * Math.sin(azimuth * RADIANS), y: -r * Math.cos(azimuth * RADIANS) };
}

export function draw(stars, { latitude, longitude, date, size = 640, faintest = 4.5 }) {
  const sidereal = siderealDegrees(date, longitude);
  const dots = stars
    .filter((star) => star.magnitude <= faintest)
    .map((star) => ({ star, place: horizontal(star, latitude, sidereal) }))
    .filter(({ place }) => place.altitude > 0)
    .map(({ star, place }) => {
      const { x, y } = project(place, size / 2 - 8);
      const r = (0.6 + 0.5 * (faintest - star.magnitude)).toFixed(2);
      return `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="${r}"><title>${star.name ?? ""}</title></circle>`;
    });
  const half = size / 2;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="${-half} ${-half} ${size} ${size}">\n${dots.join("\n")}\n</svg>\n`;
}

if (process.argv.length > 4) {
  const [file, latitude, longitude] = process.argv.slice(2);
  const stars = JSON.parse(readFileSync(file, "utf8"));
  writeFileSync("sky.svg", draw(stars, { latitude: +latitude, longitude: +longitude, date: new Date() }));
}
