import java.util.logging.Level;
import java.util.logging.Logger;

/** Prints the great-circle distance in kilometres between two places, each given as "latitude,longitude" in degrees. */
public final class GreatCircle {
    private static final Logger LOG = Logger.getLogger("GreatCircle");
    private static final double EARTH_RADIUS_KM = 6371.0088;

    private GreatCircle() {}

    static double distanceKm(double[] from, double[] to) {
        double dLat = to[0] - from[0];
        double dLon = to[1] - from[1];
        double h = Math.pow(Math.sin(dLat / 2), 2)
                + Math.cos(from[0]) * Math.cos(to[0]) * Math.pow(Math.sin(dLon / 2), 2);
        return 2 * EARTH_RADIUS_KM * Math.asin(Math.sqrt(h));
    }

    static double[] radians(String place) {
        String[] parts = place.split(",");
        if (parts.length != 2) {
            throw new IllegalArgumentException("not \"latitude,longitude\": " + place);
        }
        return new double[] {
            Math.toRadians(Double.parseDouble(parts[0].trim())), Math.toRadians(Double.parseDouble(parts[1].trim()))
        };
    }

    public static void main(String[] args) {
        if (args.length != 2) {
            LOG.log(Level.SEVERE, "Two places are needed, got {0}", args.length);
            System.exit(2);
        }
        LOG.log(Level.INFO, "From {0} to {1}", args);
        System.out.printf(java.util.Locale.ROOT, "%.1f km%n", distanceKm(radians(args[0]), radians(args[1])));
    }
}
